//! The account joins rooms: the dialogues of every rule, and what happens at
//! every bound. `scripted` is a room that says what a test wants it to.

mod asking;
mod bookmarks;
mod bounds;
mod hostile;
mod house;
mod joining;
mod keeping;
mod leaving;
mod meanwhile;
mod muc2;
mod pam;
mod property;
mod refusing;
mod scripted;
mod settling;
mod showing;
mod talking;
