//! The time, from the operating system.

use std::time::SystemTime;

use tower_xmpp::stanza::Time;

pub fn now() -> Time {
    SystemTime::now().into()
}
