//! Random identifiers.

use std::sync::Arc;

use millstream_host::Random;
use parking_lot::Mutex;

/// Makes identifiers that differ from run to run. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Identifiers {
    /// Guards the generator; held for a few instructions.
    random: Arc<Mutex<Random>>,
}

impl Identifiers {
    pub(crate) fn new(random: Random) -> Identifiers {
        Identifiers { random: Arc::new(Mutex::new(random)) }
    }

    /// A random UUID.
    pub(crate) fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        {
            let mut random = self.random.lock();
            bytes[..8].copy_from_slice(&random.next_u64().to_be_bytes());
            bytes[8..].copy_from_slice(&random.next_u64().to_be_bytes());
        }
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// A partition key that spreads records evenly.
    pub(crate) fn partition_key(&self) -> String {
        format!("{:016x}", self.random.lock().next_u64())
    }

    /// A generator of its own for somebody else.
    pub(crate) fn random(&self) -> Random {
        Random::from_seed(self.random.lock().next_u64())
    }
}
