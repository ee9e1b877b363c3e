//! Archiving and stamping, end to end: what reaches whom, and what lies in
//! which archive. The rules one by one are tested beside them.

mod acked;
mod catchup;
mod choice;
#[path = "../common/mod.rs"]
mod common;
mod computed;
mod failure;
mod forgery;
mod model;
mod preferences;
mod property;
mod query;
mod retraction;
mod rooms;
mod shelf;
mod stamp;
