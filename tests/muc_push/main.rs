//! Rooms wake who sleeps, as rooms, clients and push services see it.

mod answering;
mod house;
mod notifying;
mod registering;
