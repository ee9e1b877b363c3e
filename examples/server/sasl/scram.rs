//! SCRAM (RFC 5802, RFC 7677), the server's side.
//!
//! ```text
//! client  n,,n=user,r=CLIENT                       ClientFirst
//! server  r=CLIENT+SERVER,s=SALT,i=4096            Waiting::challenge
//! client  c=biws,r=CLIENT+SERVER,p=PROOF           Waiting::check
//! server  v=SIGNATURE                              Proven
//! ```

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha1,
    Sha256,
}

/// What is kept of a password (RFC 5802 §3). The proof of a client can be
/// checked with it, but it cannot be used to log in.
#[derive(Clone)]
pub struct Keys {
    pub salt: Vec<u8>,
    pub iterations: u32,
    pub stored: Vec<u8>,
    pub server: Vec<u8>,
}

/// The client's first message.
#[derive(Debug, PartialEq)]
pub struct ClientFirst {
    pub authzid: Option<String>,
    pub name: String,
    nonce: String,
    /// `n,,` and the like, which the client repeats in its last message.
    header: String,
    /// The rest, which both sides sign.
    bare: String,
}

/// The challenge is out, the proof is awaited.
pub struct Waiting {
    hash: Hash,
    keys: Keys,
    authzid: Option<String>,
    header: String,
    nonce: String,
    /// Both first messages, as they are signed.
    signed: String,
}

/// The client knows the password; `answer` shows it that so do we.
#[derive(Debug, PartialEq)]
pub struct Proven {
    pub authzid: Option<String>,
    pub answer: String,
}

impl Keys {
    pub fn derive(hash: Hash, password: &str, salt: Vec<u8>, iterations: u32) -> Self {
        // RFC 5802 §2.2. What cannot be prepared is taken as it is: such a
        // password is then one that the client must send just so.
        let password = stringprep::saslprep(password).unwrap_or(password.into());
        let salted = hash.pbkdf2(password.as_bytes(), &salt, iterations);
        let client = hash.hmac(&salted, b"Client Key");
        Self {
            stored: hash.digest(&client),
            server: hash.hmac(&salted, b"Server Key"),
            salt,
            iterations,
        }
    }

    /// Keys that no password fits, the same for the same name and secret.
    pub fn decoy(hash: Hash, name: &str, secret: &[u8], iterations: u32) -> Self {
        let make = |what: &str| hash.hmac(secret, format!("{what} {hash:?} {name}").as_bytes());
        let mut salt = make("salt");
        salt.truncate(16);
        Self {
            salt,
            iterations,
            stored: make("stored"),
            server: make("server"),
        }
    }

    /// Whether this is the password. Takes as long for a wrong one.
    pub fn fit(&self, hash: Hash, password: &str) -> bool {
        let candidate = Self::derive(hash, password, self.salt.clone(), self.iterations);
        candidate.stored.ct_eq(&self.stored).into()
    }
}

impl ClientFirst {
    pub fn parse(message: &str) -> Result<Self, Failure> {
        let mut parts = message.splitn(3, ',');
        let (Some(flag), Some(authzid), Some(bare)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Failure::MalformedRequest);
        };
        // `y` means: I could bind to the channel, but I think you cannot.
        // Right. Who says `p=…` chose one of the mechanisms with -PLUS.
        if !matches!(flag, "n" | "y") {
            return Err(Failure::MalformedRequest);
        }
        let authzid = match authzid {
            "" => None,
            text => Some(unescape(value(text, "a=")?)?),
        };
        // A mandatory extension (`m=`) would stand first and thus is refused.
        let mut attributes = bare.split(',');
        let name = unescape(value(attributes.next().unwrap_or(""), "n=")?)?;
        let nonce = value(attributes.next().unwrap_or(""), "r=")?;
        if name.is_empty() || !is_nonce(nonce) {
            return Err(Failure::MalformedRequest);
        }
        Ok(Self {
            authzid,
            name,
            nonce: nonce.into(),
            header: message[..message.len() - bare.len()].into(),
            bare: bare.into(),
        })
    }
}

impl Waiting {
    /// Makes the challenge. `nonce` is our part, and must be new.
    pub fn challenge(hash: Hash, keys: Keys, first: ClientFirst, nonce: &str) -> (Self, String) {
        let nonce = first.nonce + nonce;
        let salt = BASE64_STANDARD.encode(&keys.salt);
        let challenge = format!("r={nonce},s={salt},i={}", keys.iterations);
        let waiting = Self {
            hash,
            signed: format!("{},{challenge}", first.bare),
            keys,
            authzid: first.authzid,
            header: first.header,
            nonce,
        };
        (waiting, challenge)
    }

    /// Checks the client's last message.
    pub fn check(self, message: &str) -> Result<Proven, Failure> {
        let (unproven, proof) = message
            .rsplit_once(",p=")
            .ok_or(Failure::MalformedRequest)?;
        let mut attributes = unproven.split(',');
        let header = decode(value(attributes.next().unwrap_or(""), "c=")?)?;
        let nonce = value(attributes.next().unwrap_or(""), "r=")?;
        let proof = decode(proof)?;
        if header != self.header.as_bytes() || nonce != self.nonce {
            return Err(Failure::NotAuthorized);
        }

        // RFC 5802 §3: ClientKey = ClientProof XOR HMAC(StoredKey, AuthMessage),
        // and its hash is the StoredKey.
        let signed = format!("{},{unproven}", self.signed);
        let signature = self.hash.hmac(&self.keys.stored, signed.as_bytes());
        if proof.len() != signature.len() {
            return Err(Failure::NotAuthorized);
        }
        let client: Vec<u8> = proof.iter().zip(&signature).map(|(p, s)| p ^ s).collect();
        if !bool::from(self.hash.digest(&client).ct_eq(&self.keys.stored)) {
            return Err(Failure::NotAuthorized);
        }

        let answer = self.hash.hmac(&self.keys.server, signed.as_bytes());
        Ok(Proven {
            authzid: self.authzid,
            answer: format!("v={}", BASE64_STANDARD.encode(answer)),
        })
    }
}

impl Hash {
    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        fn keyed<M: Mac + hmac::digest::KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
            let mut mac = <M as Mac>::new_from_slice(key).expect("a key of any length will do");
            mac.update(data);
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Self::Sha1 => keyed::<Hmac<Sha1>>(key, data),
            Self::Sha256 => keyed::<Hmac<Sha256>>(key, data),
        }
    }

    fn pbkdf2(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(password, salt, iterations).into(),
            Self::Sha256 => {
                pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, iterations).into()
            }
        }
    }
}

fn value<'a>(attribute: &'a str, name: &str) -> Result<&'a str, Failure> {
    attribute
        .strip_prefix(name)
        .ok_or(Failure::MalformedRequest)
}

fn decode(text: &str) -> Result<Vec<u8>, Failure> {
    BASE64_STANDARD
        .decode(text)
        .map_err(|_| Failure::MalformedRequest)
}

/// RFC 5802 §5.1: a comma is written `=2C`, an equals sign `=3D`, and no
/// other `=` may occur.
fn unescape(text: &str) -> Result<String, Failure> {
    let mut parts = text.split('=');
    let mut plain = String::from(parts.next().unwrap_or(""));
    for part in parts {
        let (sign, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(Failure::MalformedRequest),
        };
        plain.push(sign);
        plain.push_str(rest);
    }
    Ok(plain)
}

/// RFC 5802 §7: printable ASCII but the comma.
fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Vector {
        hash: Hash,
        salt: &'static str,
        first: &'static str,
        nonce: &'static str,
        challenge: &'static str,
        last: &'static str,
        answer: &'static str,
    }

    /// RFC 5802 §5 and RFC 7677 §3; the password is "pencil".
    const VECTORS: [Vector; 2] = [
        Vector {
            hash: Hash::Sha1,
            salt: "QSXCR+Q6sek8bf92",
            first: "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            nonce: "3rfcNHYJY1ZVvWVs7j",
            challenge: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            last: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,\
                   p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            answer: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        },
        Vector {
            hash: Hash::Sha256,
            salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
            first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            challenge: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            last: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                   p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            answer: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        },
    ];

    impl Vector {
        fn keys(&self) -> Keys {
            let salt = BASE64_STANDARD.decode(self.salt).unwrap();
            Keys::derive(self.hash, "pencil", salt, 4096)
        }

        fn check(&self, keys: &Keys, last: &str) -> Result<Proven, Failure> {
            let first = ClientFirst::parse(self.first).unwrap();
            let (waiting, challenge) =
                Waiting::challenge(self.hash, keys.clone(), first, self.nonce);
            assert_eq!(challenge, self.challenge);
            waiting.check(last)
        }
    }

    #[test]
    fn the_dialogues_of_the_rfcs_succeed() {
        for vector in VECTORS {
            let proven = vector.check(&vector.keys(), vector.last).unwrap();
            assert_eq!(proven.answer, vector.answer);
            assert_eq!(proven.authzid, None);
        }
    }

    #[test]
    fn a_proof_with_any_bit_flipped_fails() {
        for vector in VECTORS {
            let keys = vector.keys();
            let (unproven, proof) = vector.last.rsplit_once(",p=").unwrap();
            let proof = BASE64_STANDARD.decode(proof).unwrap();
            for bit in 0..proof.len() * 8 {
                let mut wrong = proof.clone();
                wrong[bit / 8] ^= 1 << (bit % 8);
                let last = format!("{unproven},p={}", BASE64_STANDARD.encode(wrong));
                assert_eq!(vector.check(&keys, &last), Err(Failure::NotAuthorized));
            }
        }
    }

    #[test]
    fn a_proof_of_another_length_fails() {
        let keys = VECTORS[0].keys();
        for proof in ["", "AAAA"] {
            let nonce = VECTORS[0].challenge.split(',').next().unwrap();
            let last = format!("c=biws,{nonce},p={proof}");
            let outcome = VECTORS[0].check(&keys, &last);
            assert_eq!(outcome, Err(Failure::NotAuthorized));
        }
    }

    #[test]
    fn another_nonce_or_another_header_fails() {
        let (keys, last) = (VECTORS[0].keys(), VECTORS[0].last);
        for wrong in [last.replace("7j,p", "7k,p"), last.replace("biws", "eSws")] {
            let outcome = VECTORS[0].check(&keys, &wrong);
            assert_eq!(outcome, Err(Failure::NotAuthorized));
        }
    }

    #[test]
    fn a_last_message_that_lacks_a_part_is_malformed() {
        let keys = VECTORS[0].keys();
        for last in [
            "",
            "c=biws",
            "c=biws,r=x",
            "r=x,c=biws,p=AAAA",
            "c=!,r=x,p=AAAA",
        ] {
            let outcome = VECTORS[0].check(&keys, last);
            assert_eq!(outcome, Err(Failure::MalformedRequest), "{last}");
        }
    }

    #[test]
    fn clients_that_could_bind_to_a_channel_are_accepted() {
        let first = ClientFirst::parse("y,,n=user,r=abc").unwrap();
        assert_eq!(first.header, "y,,");
    }

    #[test]
    fn commas_and_equals_signs_in_names_are_unescaped() {
        let first = ClientFirst::parse("n,a=x=2Cy,n=a=3Db=2C,r=abc").unwrap();
        assert_eq!(first.authzid.as_deref(), Some("x,y"));
        assert_eq!(first.name, "a=b,");
        assert_eq!(first.header, "n,a=x=2Cy,");
        assert_eq!(first.bare, "n=a=3Db=2C,r=abc");
    }

    #[test]
    fn a_first_message_that_breaks_the_grammar_is_malformed() {
        for first in [
            "",
            "n,,",
            "n,,n=user",
            "n,,n=,r=abc",
            "n,,n=user,r=",
            "n,,n=user,r=a\u{7f}",
            "n,,r=abc,n=user",
            "n,b=x,n=user,r=abc",
            "n,,n=a=2Bb,r=abc",
            "n,,m=ext,n=user,r=abc",
            "p=tls-unique,,n=user,r=abc",
            "x,,n=user,r=abc",
        ] {
            let outcome = ClientFirst::parse(first);
            assert_eq!(outcome, Err(Failure::MalformedRequest), "{first}");
        }
    }

    #[test]
    fn keys_fit_their_password_only() {
        for hash in [Hash::Sha1, Hash::Sha256] {
            let keys = Keys::derive(hash, "pencil", b"salt".into(), 2);
            assert!(keys.fit(hash, "pencil"));
            assert!(!keys.fit(hash, "Pencil"));
            assert!(!Keys::decoy(hash, "user", b"secret", 2).fit(hash, "pencil"));
        }
    }

    #[test]
    fn passwords_that_look_alike_are_prepared_alike() {
        let keys = Keys::derive(Hash::Sha256, "a\u{a0}b", b"salt".into(), 2);
        assert!(keys.fit(Hash::Sha256, "a b"));
    }
}
