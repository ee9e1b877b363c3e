//! Archiving and stamping, end to end: what reaches whom, and what lies in
//! which archive. The rules one by one are tested beside them.

mod choice;
#[path = "../common/mod.rs"]
mod common;
mod failure;
mod forgery;
mod property;
mod shelf;
mod stamp;
