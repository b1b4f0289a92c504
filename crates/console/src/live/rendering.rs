//! The newest rendering of the parts, shared by all browsers.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use millstream_control::view::OverviewSource;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{page, sections};

/// The parts of the page at one time.
pub(super) struct Rendering {
    pub(super) edition: String,
    pub(super) parts: Vec<Part>,
}

/// A part, with the hash by which a stream knows whether its browser has it.
pub(super) struct Part {
    pub(super) id: &'static str,
    pub(super) html: String,
    pub(super) hash: u64,
}

/// Renders an overview once for all browsers that want the same change.
pub(super) struct Renderings {
    source: Arc<dyn OverviewSource>,
    /// The newest rendering and the change that it shows. Held while rendering, so that browsers which wake together
    /// wait for one rendering instead of each making it; never across an await.
    newest: Mutex<Option<(u64, Arc<Rendering>)>>,
}

impl Renderings {
    pub(super) fn new(source: Arc<dyn OverviewSource>) -> Renderings {
        Renderings { source, newest: Mutex::new(None) }
    }

    /// Where changes are announced.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.source.changes()
    }

    /// A rendering that shows the change `change` or a later one.
    pub(super) fn at(&self, change: u64) -> Arc<Rendering> {
        let mut newest = self.newest.lock();
        if let Some((shown, rendering)) = newest.as_ref()
            && *shown == change
        {
            return Arc::clone(rendering);
        }
        let overview = self.source.overview();
        let parts = sections::fragments(&overview)
            .into_iter()
            .map(|fragment| Part { id: fragment.id, hash: hash(&fragment.html), html: fragment.html })
            .collect();
        let rendering = Arc::new(Rendering { edition: page::edition(&overview), parts });
        *newest = Some((change, Arc::clone(&rendering)));
        rendering
    }
}

fn hash(html: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    html.hash(&mut hasher);
    hasher.finish()
}
