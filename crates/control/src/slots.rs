//! Functions and endpoints as their users hold them: a place with a name, whose content the reconciler exchanges.
//!
//! Whoever calls a function or an endpoint keeps its slot for good, so that it can be changed, deleted and made again
//! while its users run. An empty slot means that there is no such resource now; what that means is the user's to decide:
//! mostly to wait and try again.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

/// A place for a resource of one kind.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    name: String,
    /// Guards one pointer; held for the copy of it.
    content: RwLock<Option<Arc<T>>>,
}

impl<T> Slot<T> {
    fn empty(name: &str) -> Slot<T> {
        Slot { name: name.to_owned(), content: RwLock::new(None) }
    }

    /// The name of the resource.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What is there now.
    pub(crate) fn get(&self) -> Option<Arc<T>> {
        self.content.read().clone()
    }

    /// Exchanges the content; gives what was there.
    pub(crate) fn replace(&self, content: Option<Arc<T>>) -> Option<Arc<T>> {
        std::mem::replace(&mut *self.content.write(), content)
    }
}

/// The slots of one kind, by name. A slot lives as long as somebody has asked for it. Cheap to clone.
pub(crate) struct Slots<T> {
    /// Guards the list; held for a look-up.
    slots: Arc<Mutex<BTreeMap<String, Arc<Slot<T>>>>>,
}

impl<T> Clone for Slots<T> {
    fn clone(&self) -> Slots<T> {
        Slots { slots: Arc::clone(&self.slots) }
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Slots<T> {
        Slots { slots: Arc::default() }
    }
}

impl<T> Slots<T> {
    /// The slot of a name, empty at first. Names that nobody holds and that are empty are forgotten on the way.
    pub(crate) fn slot(&self, name: &str) -> Arc<Slot<T>> {
        let mut slots = self.slots.lock();
        slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.get().is_some());
        let slot = slots.entry(name.to_owned()).or_insert_with(|| Arc::new(Slot::empty(name)));
        Arc::clone(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_a_slot_sees_what_is_exchanged_in_it() {
        let slots: Slots<u8> = Slots::default();
        let held = slots.slot("f");
        assert_eq!(held.get(), None);
        slots.slot("f").replace(Some(Arc::new(1)));
        assert_eq!(held.get().as_deref(), Some(&1));
        assert_eq!(slots.slot("f").replace(None).as_deref(), Some(&1));
        assert_eq!(held.get(), None);
        drop(held);
        slots.slot("g");
        assert_eq!(slots.slots.lock().len(), 1, "an empty slot that nobody holds is forgotten");
    }
}
