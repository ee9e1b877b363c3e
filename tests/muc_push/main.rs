//! Rooms wake who sleeps, as rooms, clients and push services see it.

mod account;
mod answering;
mod asked_again;
mod client;
mod house;
mod lost_seat;
mod notifying;
mod oracle;
mod property;
mod registering;
mod returning;
mod town;
