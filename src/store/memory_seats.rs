use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jid::BareJid;

use crate::account_muc::{Seat, SeatError, SeatStore};

/// Seats in memory, gone with the process: for tests, and for servers whose
/// users may find themselves out of their rooms after a restart. Bounded by
/// [`Limits::rooms`](crate::account_muc::Limits::rooms) for each account.
#[derive(Debug, Default)]
pub struct MemorySeats(Mutex<BTreeMap<(BareJid, BareJid), Seat>>);

impl MemorySeats {
    fn seats(&self) -> MutexGuard<'_, BTreeMap<(BareJid, BareJid), Seat>> {
        // Nothing panics while the lock is held, except out of memory.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SeatStore for MemorySeats {
    async fn put(&self, seat: Seat) -> Result<(), SeatError> {
        self.seats()
            .insert((seat.account.clone(), seat.room()), seat);
        Ok(())
    }

    async fn remove(&self, account: &BareJid, room: &BareJid) -> Result<(), SeatError> {
        self.seats().remove(&(account.clone(), room.clone()));
        Ok(())
    }

    async fn remove_account(&self, account: &BareJid) -> Result<(), SeatError> {
        self.seats().retain(|(owner, _), _| owner != account);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Seat>, SeatError> {
        Ok(self.seats().values().cloned().collect())
    }
}
