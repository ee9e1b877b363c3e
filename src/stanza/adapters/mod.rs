//! Foreign types in and out. Each feature is named after the crate and the
//! version whose types it brings into the public API.

#[cfg(feature = "minidom-0_19")]
mod minidom_0_19;
#[cfg(feature = "xmpp-parsers-0_23")]
pub mod xmpp_parsers_0_23;
