//! How long what ran before a crash may take until its successor starts.

use std::time::Duration;

use millstream_host::real_time;

use crate::definition::{Kind, Reference};
use crate::world::World;

/// How long it may take to give again what had left, or to write what was taken in. Where its function is away, it has as
/// long as that takes, if its successor waits for the same function.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// Waits for `work` of the predecessor of `resource`, with the functions of both. `None` when that took too long.
pub(super) async fn patiently<T>(
    world: &World,
    resource: &str,
    functions: [Option<&str>; 2],
    work: impl Future<Output = T>,
) -> Option<T> {
    let [before, successor] = functions;
    let function = before.filter(|_| before == successor);
    let is_there =
        || function.filter(|name| world.registry.find(&Reference::new(Kind::Function, name)).is_some());
    let waits = |function: &str| {
        let text = format!(
            "what it had under way at a crash comes before its change, and waits for the function {function}"
        );
        world.live.problem(world.clock.now(), resource, text, 1);
    };
    as_long_as(|| is_there().map(waits).is_some(), work).await
}

/// Waits for `work`: as long as `may_go_on`, which is asked whenever [`LIMIT`] has passed.
async fn as_long_as<T>(may_go_on: impl Fn() -> bool, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    loop {
        let done = real_time::within(LIMIT, &mut work).await;
        if done.is_some() || !may_go_on() {
            return done;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test(start_paused = true)]
    async fn it_has_as_long_as_what_it_waits_for_takes() {
        let asked = Cell::new(0);
        let work = || async { tokio::time::sleep(3 * LIMIT + Duration::from_secs(1)).await };
        let until = |times: u32| {
            move |asked: &Cell<u32>| {
                asked.set(asked.get() + 1);
                asked.get() < times
            }
        };
        let is_there = until(10);
        assert_eq!(as_long_as(|| is_there(&asked), work()).await, Some(()));
        assert_eq!(asked.get(), 3);
        asked.set(0);
        let goes_soon = until(2);
        assert_eq!(as_long_as(|| goes_soon(&asked), work()).await, None);
        assert_eq!(asked.get(), 2);
    }
}
