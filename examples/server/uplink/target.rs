//! Where the uplink leads: `component://SECRET@HOST:PORT`.

use std::fmt;
use std::str::FromStr;

use sha1::{Digest, Sha1};

#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    secret: String,
    /// Host and port.
    pub address: String,
}

/// Why a text names no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("component://SECRET@HOST:PORT is expected")]
pub struct NoTarget;

impl Target {
    /// What proves to the other server that we know the secret
    /// (XEP-0114 §3, step 3).
    pub fn handshake(&self, stream: &str) -> String {
        let digest = Sha1::digest(format!("{stream}{}", self.secret));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl FromStr for Target {
    type Err = NoTarget;

    fn from_str(text: &str) -> Result<Self, NoTarget> {
        let text = text.strip_prefix("component://").ok_or(NoTarget)?;
        // A secret may have an @ in it, an address has none.
        let (secret, address) = text.rsplit_once('@').ok_or(NoTarget)?;
        let (host, port) = address.rsplit_once(':').ok_or(NoTarget)?;
        if secret.is_empty() || host.is_empty() || port.parse::<u16>().is_err() {
            return Err(NoTarget);
        }
        Ok(Self {
            secret: secret.to_owned(),
            address: address.to_owned(),
        })
    }
}

/// Never shows the secret: options are logged.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_a_secret_a_host_and_a_port() {
        let target: Target = "component://a@b:c@[::1]:5347".parse().unwrap();
        assert_eq!(target.address, "[::1]:5347");
        assert_eq!(format!("{target:?}"), "Target([::1]:5347)");
        for text in [
            "",
            "x@y:1",
            "component://@h:1",
            "component://s@h",
            "component://s@h:x",
        ] {
            assert_eq!(text.parse::<Target>(), Err(NoTarget), "{text}");
        }
    }

    #[test]
    fn the_handshake_is_that_of_the_xep() {
        // The digest of "3BF96D32" and "test", as sha1sum computes it.
        let target: Target = "component://test@h:1".parse().unwrap();
        assert_eq!(
            target.handshake("3BF96D32"),
            "aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e"
        );
    }
}
