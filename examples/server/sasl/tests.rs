//! Whole exchanges, against real accounts.

use jid::{BareJid, NodePart};

use super::super::options::NewAccount;
use super::scram::Hash;
use super::*;

fn accounts() -> Accounts {
    let alice = NewAccount {
        name: NodePart::new("alice").unwrap().into_owned(),
        password: "secret".into(),
    };
    Accounts::new(BareJid::new("example.org").unwrap(), &[alice])
}

fn plain(message: &str) -> Result<Success, Failure> {
    match Exchange::begin(Mechanism::Plain)
        .respond(message.as_bytes(), &accounts(), "n")
        .map_err(|refused| refused.failure)?
    {
        Step::Success(success) => Ok(success),
        Step::Challenge(..) => panic!("PLAIN has one message"),
    }
}

fn challenge(first: &str, accounts: &Accounts, nonce: &str) -> Result<String, Failure> {
    let exchange = Exchange::begin(Mechanism::Scram(Hash::Sha256));
    match exchange
        .respond(first.as_bytes(), accounts, nonce)
        .map_err(|refused| refused.failure)?
    {
        Step::Challenge(_, challenge) => Ok(String::from_utf8(challenge).unwrap()),
        Step::Success(_) => panic!("nothing is proven"),
    }
}

#[test]
fn a_right_password_proves_the_account() {
    let account = BareJid::new("alice@example.org").unwrap();
    let success = Success {
        account,
        data: None,
    };
    assert_eq!(plain("\0alice\0secret"), Ok(success));
}

#[test]
fn names_are_compared_as_addresses_are() {
    assert!(plain("\0ALICE\0secret").is_ok());
}

#[test]
fn an_unknown_name_and_a_wrong_password_look_alike() {
    for message in [
        "\0alice\0wrong",
        "\0carol\0secret",
        "\0a b\0secret",
        "\0@\0x",
    ] {
        assert_eq!(plain(message), Err(Failure::NotAuthorized), "{message:?}");
    }
    let accounts = accounts();
    let shape = |name: &str| {
        let challenge = challenge(&format!("n,,n={name},r=abc"), &accounts, "def").unwrap();
        let salt = challenge.split(",s=").nth(1).unwrap().to_owned();
        (challenge.replace(&salt, ""), salt.len())
    };
    assert_eq!(shape("alice"), shape("carol"));
}

#[test]
fn nobody_acts_for_another() {
    assert!(plain("alice@example.org\0alice\0secret").is_ok());
    for message in ["bob@example.org\0alice\0secret", "alice\0alice\0secret"] {
        assert_eq!(plain(message), Err(Failure::InvalidAuthzid), "{message:?}");
    }
}

#[test]
fn a_refusal_says_whose_name_was_tried() {
    let refused = |message: &[u8]| {
        let outcome = Exchange::begin(Mechanism::Plain).respond(message, &accounts(), "n");
        outcome.err().unwrap().name.map(|name| name.to_string())
    };
    assert_eq!(refused(b"\0alice\0wrong").as_deref(), Some("alice"));
    assert_eq!(
        refused(b"bob@example.org\0alice\0secret").as_deref(),
        Some("alice")
    );
    assert_eq!(refused(b"\0alice"), None);
}

#[test]
fn a_message_that_is_not_text_is_malformed() {
    for mechanism in MECHANISMS {
        let outcome = Exchange::begin(mechanism).respond(b"\0\xff\0x", &accounts(), "n");
        assert_eq!(outcome.err(), Some(Failure::MalformedRequest.into()));
    }
}

#[test]
fn base64_is_read_as_sasl_in_xmpp_writes_it() {
    assert_eq!(decode(""), Ok(None));
    assert_eq!(decode("="), Ok(Some(vec![])));
    assert_eq!(decode(" AGE= \n"), Ok(Some(b"\0a".to_vec())));
    for wrong in ["AGE", "A G E=", "!", "=="] {
        assert_eq!(decode(wrong), Err(Failure::IncorrectEncoding), "{wrong}");
    }
}

#[test]
fn only_what_is_offered_can_be_chosen() {
    for mechanism in MECHANISMS {
        assert_eq!(Mechanism::named(mechanism.name()), Ok(mechanism));
    }
    for name in ["", "plain", "SCRAM-SHA-1-PLUS", "ANONYMOUS"] {
        assert_eq!(Mechanism::named(name), Err(Failure::InvalidMechanism));
    }
}
