use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jid::BareJid;

use crate::muc_offline::{Registration, RegistrationError, Registrations};

/// Registrations in memory: bounded, fast, and gone with the process.
#[derive(Debug)]
pub struct MemoryRegistrations {
    most: usize,
    /// By room and account; whether they are paused.
    kept: Mutex<BTreeMap<(BareJid, BareJid), bool>>,
}

impl MemoryRegistrations {
    /// A store that takes so many. The default is 1,000,000.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            kept: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<(BareJid, BareJid), bool>> {
        // Nothing panics while the lock is held, except out of memory.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Registrations for MemoryRegistrations {
    async fn all(&self) -> Result<Vec<Registration>, RegistrationError> {
        let kept = self.kept();
        let all = kept.iter().map(|((room, account), paused)| Registration {
            room: room.clone(),
            account: account.clone(),
            paused: *paused,
        });
        Ok(all.collect())
    }

    async fn put(&self, registration: Registration) -> Result<(), RegistrationError> {
        let Registration {
            room,
            account,
            paused,
        } = registration;
        let mut kept = self.kept();
        let (held, key) = (kept.len(), (room, account));
        if held >= self.most && !kept.contains_key(&key) {
            return Err(RegistrationError::Full(held));
        }
        kept.insert(key, paused);
        Ok(())
    }

    async fn remove(&self, room: &BareJid, account: &BareJid) -> Result<(), RegistrationError> {
        self.kept().remove(&(room.clone(), account.clone()));
        Ok(())
    }

    async fn remove_room(&self, room: &BareJid) -> Result<(), RegistrationError> {
        self.kept().retain(|(kept, _), _| kept != room);
        Ok(())
    }
}

impl Default for MemoryRegistrations {
    fn default() -> Self {
        Self::new(1_000_000)
    }
}
