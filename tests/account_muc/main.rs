//! The account joins rooms: the dialogues of every rule.

mod house;
mod joining;
