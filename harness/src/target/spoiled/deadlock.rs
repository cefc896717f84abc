//! Two locks that are taken in two orders.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use lightning_db::sync::{Mutex, lock, pause};

use super::super::{ClientId, Durability, Session, TargetError};
use super::bugged::Wrong;

/// Clients with even numbers take one lock first, the others the other one.
#[derive(Clone)]
pub(super) struct Deadlock {
    fired: Arc<AtomicU64>,
    locks: Arc<[Mutex<()>; 2]>,
}

impl Deadlock {
    pub(super) fn new(fired: Arc<AtomicU64>) -> Self {
        let locks = Arc::new([Mutex::new(()), Mutex::new(())]);
        Self { fired, locks }
    }
}

impl Wrong for Deadlock {
    fn commit<S: Session + ?Sized>(
        &mut self,
        sound: &mut S,
        client: ClientId,
        durability: Durability,
    ) -> Result<(), TargetError> {
        self.fired.fetch_add(1, Relaxed);
        let first = usize::from(client.0 % 2);
        let _first = lock(&self.locks[first]);
        pause();
        let _second = lock(&self.locks[1 - first]);
        sound.commit(client, durability)
    }
}
