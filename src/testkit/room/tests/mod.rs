//! Dialogues with a service. Each line that comes out is compared, so every
//! test ends in silence.

mod hall;
mod joining;
mod talking;

use hall::Hall;
