//! Checkpoints as whoever runs an application keeps them: parts by their names, and the newest manifest.

use millstream_engine::{Application, ApplicationSettings, Manifest, PartId};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

/// The parts and the manifest that are stored.
#[derive(Default)]
pub(crate) struct Snapshots {
    parts: HashMap<PartId, Vec<u8>>,
    taken: u32,
    /// Snapshots from one restart to the next; 3 when 0.
    period: u32,
}

impl Snapshots {
    /// With a restart after so many snapshots; after 3 when 0.
    pub(crate) fn with_period(period: u32) -> Snapshots {
        Snapshots { period, ..Snapshots::default() }
    }

    /// Whether it is time to restart.
    pub(crate) fn is_a_restart(&self) -> bool {
        let period = if self.period == 0 { 3 } else { self.period };
        self.taken % period == period - 1
    }

    /// Stores what has changed, and drops the parts that the new manifest does not name.
    pub(crate) fn take(&mut self, application: &mut Application) -> Manifest {
        self.taken += 1;
        let snapshot = application.snapshot().expect("the state can be written");
        let stored = snapshot.store(|id, bytes| {
            self.parts.insert(*id, bytes.to_vec());
            Ok::<(), Infallible>(())
        });
        let manifest = stored.expect("the parts can be stored");
        let manifest = Manifest::from_bytes(&manifest.to_bytes()).expect("a manifest can be read again");
        let named: HashSet<PartId> = manifest.parts().map(|part| part.id).collect();
        self.parts.retain(|id, _| named.contains(id));
        manifest
    }

    /// Goes on from what is stored; the state must be what it was.
    pub(crate) fn restart(
        &mut self,
        mut application: Application,
        settings: &ApplicationSettings,
    ) -> Application {
        let manifest = self.take(&mut application);
        let program = application.program().clone();
        let restored = Application::restore(program, settings.clone(), &manifest, &mut |id| {
            self.parts.get(id).cloned().ok_or_else(|| "no such part".into())
        });
        let (mut restored, report) = restored.expect("the state can be restored");
        assert!(report.started_from_scratch.is_empty(), "{report:?}");
        // What the parts of many snapshots make up is what one alone would be. Rows that wait may lie in other batches.
        let text = format!("{:?}", application.program());
        // What is looked into is made again with the next row.
        if !["Lookup {", "Subquery {"].iter().any(|operator| text.contains(operator)) {
            assert_eq!(application.held_bytes(), restored.held_bytes());
        }
        if ["Join {", "Union {"].iter().any(|operator| text.contains(operator)) {
            return restored;
        }
        let whole = application.save().expect("the state can be saved");
        let whole_again = restored.save().expect("the state can be saved");
        assert!(whole == whole_again, "the state differs after a restore from parts");
        // Two restarts, the second from what the first has stored.
        let again =
            Application::restore(application.program().clone(), settings.clone(), &manifest, &mut |id| {
                self.parts.get(id).cloned().ok_or_else(|| "no such part".into())
            });
        again.expect("the state can be restored").0
    }
}
