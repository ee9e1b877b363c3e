//! Dialogues with a service. Each line that comes out is compared, so every
//! test ends in silence.

mod account;
mod any_input;
mod configuring;
mod doors;
mod hall;
mod inviting;
mod joining;
mod leaving;
mod moderating;
mod nicks;
mod requests;
mod sessions;
mod talking;

use hall::Hall;
