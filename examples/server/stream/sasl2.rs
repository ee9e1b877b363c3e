//! SASL2 (XEP-0388) and Bind 2 (XEP-0386): login, session and what belongs
//! to it in one round. Here is what they look like.

use std::borrow::Cow;
use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use jid::{BareJid, FullJid, Jid, ResourcePart};
use sha2::Sha256;
use tower_xmpp::fork;
use tower_xmpp::stanza::{ElementRef, ns};

use super::super::random;
use super::super::sasl::{self, Failure, Success};
use super::negotiation::Resumption;
use super::words::escape;

/// What a client would like to have done once it has logged in.
#[derive(Debug, Default)]
pub struct Wishes {
    pub bind: Option<Bind>,
    pub resume: Option<Resumption>,
}

/// A wish for a session of its own.
#[derive(Debug, Default)]
pub struct Bind {
    /// What the client would like to see in its resource.
    tag: Option<String>,
    /// By which the client is known from one login to the next.
    agent: Option<String>,
    /// Stream management.
    pub sm: Option<Enable>,
    /// The client says whether it is looked at (XEP-0352).
    pub is_active: Option<bool>,
    /// How messages are to fork, as asked for inline.
    pub forking: fork::Negotiation,
    /// The token of the session.
    pub token: Option<Token>,
}

/// A wish for the token by which a client knows under which IDs its messages
/// are archived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The one that it had before.
    pub previous: Option<String>,
}

/// A wish for stream management (XEP-0198 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enable {
    /// The session shall outlive its stream.
    pub resume: bool,
    /// For how many seconds at most.
    pub max: Option<u64>,
}

impl Wishes {
    /// Reads `<authenticate/>`.
    pub fn read(authenticate: ElementRef<'_>) -> Self {
        let agent = authenticate.child("user-agent", ns::SASL2);
        let agent = agent.and_then(|agent| agent.attr("id")).map(str::to_owned);
        let bind = authenticate.child("bind", ns::BIND2);
        let resume = authenticate.child("resume", ns::SM);
        Self {
            bind: bind.map(|bind| Bind::read(bind, agent)),
            resume: resume.map(Resumption::read),
        }
    }
}

impl Bind {
    fn read(bind: ElementRef<'_>, agent: Option<String>) -> Self {
        let is_active = match (
            bind.child("active", ns::CSI),
            bind.child("inactive", ns::CSI),
        ) {
            (_, Some(_)) => Some(false),
            (Some(_), None) => Some(true),
            (None, None) => None,
        };
        let mut forking = fork::Negotiation::new();
        forking.authenticated();
        forking.bind2(bind);
        let token = bind.child("token", ns::ARCHIVE_ID);
        Self {
            tag: bind.child("tag", ns::BIND2).map(ElementRef::text),
            agent,
            sm: bind.child("enable", ns::SM).map(Enable::read),
            is_active,
            forking,
            token: token.map(|token| Token {
                previous: token.attr("previous").map(str::to_owned),
            }),
        }
    }

    /// The address of the session. A client that says which it is gets the
    /// same one every time, and thereby ends its own earlier session
    /// (XEP-0386 §3.2.1); what it says is not to be seen.
    pub fn address(&self, account: &BareJid) -> FullJid {
        static SECRET: LazyLock<[u8; 32]> = LazyLock::new(random::bytes);
        let own = match &self.agent {
            Some(agent) => {
                let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&*SECRET).expect("any key");
                for part in [account.as_str(), "\0", agent] {
                    mac.update(part.as_bytes());
                }
                BASE64_URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..16])
            }
            None => random::id(),
        };
        let tagged = self.tag.as_ref().map(|tag| format!("{tag}/{own}"));
        let resource = tagged
            .and_then(|tagged| ResourcePart::new(&tagged).map(Cow::into_owned).ok())
            .or_else(|| ResourcePart::new(&own).map(Cow::into_owned).ok());
        account.with_resource(&resource.expect("letters and digits make a resource"))
    }
}

impl Enable {
    /// Reads `<enable/>`.
    pub fn read(enable: ElementRef<'_>) -> Self {
        Self {
            resume: matches!(enable.attr("resume"), Some("true" | "1")),
            max: enable.attr("max").and_then(|max| max.trim().parse().ok()),
        }
    }
}

/// The stream feature, with what can be enabled while binding (XEP-0386 §3.1);
/// `mechanisms` are elements.
pub fn offer(mechanisms: &str, has_archives: bool) -> String {
    let inline: String = fork::Negotiation::inline()
        .into_iter()
        .chain([ns::CSI, ns::SM])
        .chain(has_archives.then_some(ns::ARCHIVE_ID))
        .map(|name| format!("<feature var='{name}'/>"))
        .collect();
    format!(
        "<authentication xmlns='{}'>{mechanisms}<inline><bind xmlns='{}'>\
         <inline>{inline}</inline></bind><sm xmlns='{}'/></inline></authentication>",
        ns::SASL2,
        ns::BIND2,
        ns::SM
    )
}

/// Reads the content of `<initial-response/>` or `<response/>`: an empty one
/// is a message of length zero (XEP-0388 §2.2). Clients used to the other
/// SASL send `=` for that.
pub fn decode(text: &str) -> Result<Vec<u8>, Failure> {
    sasl::decode(text).map(Option::unwrap_or_default)
}

/// The login has succeeded, as this address, and so far `inside` has come of
/// the client's wishes.
pub fn success(success: &Success, address: &Jid, inside: &str) -> String {
    let data = success.data.as_ref().map(|data| {
        let data = BASE64_STANDARD.encode(data);
        format!("<additional-data>{data}</additional-data>")
    });
    format!(
        "<success xmlns='{}'>{}<authorization-identifier>{}</authorization-identifier>\
         {inside}</success>",
        ns::SASL2,
        data.unwrap_or_default(),
        escape(address.as_str()),
    )
}

/// A session has been bound, and `inside` belongs to it.
pub fn bound(inside: &str) -> String {
    format!("<bound xmlns='{}'>{inside}</bound>", ns::BIND2)
}

/// The login has failed.
pub fn failure(failure: Failure) -> String {
    let (sasl2, sasl) = (ns::SASL2, ns::SASL);
    format!("<failure xmlns='{sasl2}'><{failure} xmlns='{sasl}'/></failure>")
}

#[cfg(test)]
mod tests {
    use tower_xmpp::stanza::Element;

    use super::*;

    fn wishes(inside: &str) -> Wishes {
        let xml = format!("<authenticate xmlns='urn:xmpp:sasl:2'>{inside}</authenticate>");
        Wishes::read(Element::parse(xml.as_bytes()).unwrap().view())
    }

    fn address(inside: &str) -> String {
        let account = BareJid::new("alice@example.org").unwrap();
        wishes(inside).bind.unwrap().address(&account).to_string()
    }

    #[test]
    fn all_that_can_be_wished_for_is_read() {
        let read = wishes(
            "<initial-response>AA==</initial-response><user-agent id='ua'/>\
             <bind xmlns='urn:xmpp:bind:0'><tag>T</tag><enable xmlns='urn:xmpp:carbons:2'/>\
             <enable xmlns='urn:xmpp:sm:3' resume='true' max='9'/><inactive xmlns='urn:xmpp:csi:0'/>\
             <token xmlns='tower-xmpp:archive-id:0' previous='t'/>\
             <enable xmlns='some:thing'/></bind><resume xmlns='urn:xmpp:sm:3' previd='p' h='4'/>",
        );
        let resume = Resumption {
            id: "p".into(),
            h: 4,
        };
        assert_eq!(read.resume, Some(resume));
        let mut bind = read.bind.unwrap();
        assert_eq!(
            (bind.tag.as_deref(), bind.agent.as_deref()),
            (Some("T"), Some("ua"))
        );
        let sm = Enable {
            resume: true,
            max: Some(9),
        };
        assert_eq!((bind.sm, bind.is_active), (Some(sm), Some(false)));
        assert_eq!(bind.forking.bound(), [ns::CARBONS]);
        let previous = Some("t".to_owned());
        assert_eq!(bind.token, Some(Token { previous }));
        let nothing = wishes("<bind/><resume/>");
        assert!(nothing.bind.is_none() && nothing.resume.is_none());
    }

    #[test]
    fn a_client_that_says_which_it_is_gets_the_same_address_every_time() {
        let of = |agent: &str| {
            address(&format!(
                "<user-agent id='{agent}'/><bind xmlns='urn:xmpp:bind:0'><tag>Tag</tag></bind>"
            ))
        };
        assert_eq!(of("secret-id"), of("secret-id"));
        assert_ne!(of("secret-id"), of("other-id"));
        assert!(of("secret-id").starts_with("alice@example.org/Tag/"));
        assert!(!of("secret-id").contains("secret-id"));
        let nobody = "<bind xmlns='urn:xmpp:bind:0'/>";
        assert_ne!(address(nobody), address(nobody));
    }

    #[test]
    fn a_tag_that_cannot_be_part_of_an_address_is_left_out() {
        let long = "x".repeat(1_100);
        let jid = address(&format!(
            "<bind xmlns='urn:xmpp:bind:0'><tag>{long}</tag></bind>"
        ));
        assert_eq!(jid.len(), "alice@example.org/".len() + 22);
    }

    #[test]
    fn a_resumption_that_is_none_names_no_session() {
        for attributes in [
            "",
            "previd='p'",
            "h='1'",
            "previd='p' h='-1'",
            "previd='p' h='x'",
        ] {
            let read = wishes(&format!("<resume xmlns='urn:xmpp:sm:3' {attributes}/>"));
            assert_eq!(read.resume.unwrap().id, "", "{attributes}");
        }
    }
}
