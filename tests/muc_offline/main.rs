//! Rooms reach members who are away, as rooms, members and their servers see it.

mod bouncing;
mod ending;
mod forwarding;
mod house;
mod late;
mod others;
mod property;
mod receiving;
mod registering;
mod waking;
