//! Every store of the library against the contract of its port, and what only
//! one of them promises.

#[cfg(feature = "sqlite")]
mod alike;
#[cfg(feature = "sqlite")]
mod away;
mod memory;
#[cfg(feature = "sqlite")]
mod running;
#[cfg(feature = "sqlite")]
mod seats;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
mod sqlite_broken;
