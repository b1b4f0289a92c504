//! By how many paths rows reach a stream: pumps that double their rows, one behind the other, would make millions of one.

use super::Resolver;
use crate::limits::MAX_PATHS;

impl Resolver<'_> {
    /// Refuses a pump whose target a row of an input reaches by too many paths.
    pub(super) fn bound_paths(&mut self) {
        let mut paths: Vec<u64> = self.streams.iter().map(|stream| u64::from(stream.is_input)).collect();
        // Pumps make no circles, so a chain is at most as long as there are pumps.
        for _ in 0..self.pumps.len() {
            let mut next: Vec<u64> = self.streams.iter().map(|stream| u64::from(stream.is_input)).collect();
            for pump in &self.pumps {
                for source in pump.query.sources() {
                    let target = &mut next[pump.target.0];
                    *target = target.saturating_add(paths[source.0]);
                }
            }
            if next == paths {
                break;
            }
            paths = next;
        }
        let over = |target: usize| paths[target] > MAX_PATHS;
        // The first of the text: those behind it follow.
        let found =
            self.pumps.iter().find(|pump| over(pump.target.0)).map(|pump| (pump.name.clone(), pump.target));
        if let Some((name, target)) = found {
            let span = self.places.pump(&name).unwrap_or_default();
            let message = format!(
                "a row of an input would reach \"{}\" by {} paths, and come out as often; there may be {MAX_PATHS}",
                self.stream(target).name,
                paths[target.0]
            );
            let hint =
                "pumps and UNION ALL that read one stream several times multiply its rows: read it once";
            self.error_with_hint::<()>(span, message, hint);
        }
    }
}
