use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::muc_push::{Target, TargetError, Targets};

/// Push targets in memory: bounded, and gone with the process.
#[derive(Debug)]
pub struct MemoryTargets {
    most: usize,
    kept: Mutex<Vec<Target>>,
}

impl MemoryTargets {
    /// A store that takes so many. The default is 10,000.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            kept: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Target>> {
        // Nothing panics while the lock is held, except out of memory.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Targets for MemoryTargets {
    async fn all(&self) -> Result<Vec<Target>, TargetError> {
        Ok(self.kept().clone())
    }

    async fn put(&self, target: Target) -> Result<(), TargetError> {
        let mut kept = self.kept();
        let there = kept.iter().position(|other| other.is_same(&target));
        match there {
            Some(there) => {
                kept.remove(there);
            }
            None if kept.len() >= self.most => return Err(TargetError::Full(kept.len())),
            None => {}
        }
        kept.push(target);
        Ok(())
    }

    async fn remove(&self, target: &Target) -> Result<(), TargetError> {
        self.kept().retain(|other| !other.is_same(target));
        Ok(())
    }
}

impl Default for MemoryTargets {
    fn default() -> Self {
        Self::new(10_000)
    }
}
