//! Which incarnation of an application or a delivery may store its state.
//!
//! A stop has a limit in time: the thread of an application that did not end within it is left behind, and may still want to
//! store a checkpoint when its successor runs. That checkpoint would be older than those of the successor and count as the
//! newest. So each start begins an incarnation, and only the one that began last stores anything or deletes parts. A delivery that
//! stops leaves behind what it is just storing.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::definition::ResourceId;

/// The incarnations of all applications and deliveries of this process: nobody else has the data directory. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Incarnations {
    /// Held for a look.
    newest: Arc<Mutex<HashMap<ResourceId, Newest>>>,
}

/// The number of the newest incarnation; held while it changes what is stored.
type Newest = Arc<Mutex<u64>>;

/// One incarnation of an application.
#[derive(Clone)]
pub(crate) struct Incarnation {
    number: u64,
    newest: Newest,
}

/// Another incarnation has begun, or the application was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the application did not stop in time, and its successor goes on from the state before")]
pub(crate) struct Superseded;

impl Incarnations {
    /// Begins one: from now on none before it stores anything. Waits for what an earlier one is just storing.
    pub(crate) fn begin(&self, application: ResourceId) -> Incarnation {
        let newest = Arc::clone(self.newest.lock().entry(application).or_default());
        let number = {
            let mut newest = newest.lock();
            *newest += 1;
            *newest
        };
        Incarnation { number, newest }
    }

    /// From now on none stores anything: the application is gone, and its id is never used again. Waits like
    /// [`Incarnations::begin`].
    pub(crate) fn end(&self, application: ResourceId) {
        self.begin(application);
        self.newest.lock().remove(&application);
    }
}

impl Incarnation {
    /// While the guard is held this one is the newest, and stays it.
    pub(crate) fn hold(&self) -> Result<MutexGuard<'_, u64>, Superseded> {
        let newest = self.newest.lock();
        if *newest == self.number { Ok(newest) } else { Err(Superseded) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_stores() {
        let incarnations = Incarnations::default();
        let first = incarnations.begin(ResourceId(7));
        let other = incarnations.begin(ResourceId(8));
        assert!(first.hold().is_ok());
        let second = incarnations.begin(ResourceId(7));
        assert_eq!(first.hold().err(), Some(Superseded));
        assert!(second.hold().is_ok() && other.hold().is_ok());
        incarnations.end(ResourceId(7));
        assert!(second.hold().is_err() && other.hold().is_ok());
    }
}
