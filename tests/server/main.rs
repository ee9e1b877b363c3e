//! The example server: the unit tests of its parts, and dialogues with the
//! whole of it over TCP.

mod account_rooms;
mod acks;
mod archive;
mod away;
mod bad_input;
mod blocking;
mod bookmarks;
mod certificate;
mod chat;
mod client;
mod flood;
mod friends;
mod layers;
mod lifecycle;
mod login;
mod modes;
mod offline;
mod pep;
mod presence;
mod process;
mod resuming;
mod rooms;
mod sasl2;
mod scripts;
mod services;
mod storage;
mod tls;
mod uplink;
mod websocket;

#[path = "../common/component.rs"]
mod component;
#[path = "../common/scripts.rs"]
mod files;
#[path = "../common/frames.rs"]
mod frames;

#[allow(dead_code, reason = "the command line is not used here")]
#[path = "../../examples/server/main.rs"]
mod example;
