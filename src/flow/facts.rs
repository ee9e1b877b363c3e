use std::sync::Arc;

use jid::{BareJid, FullJid, Jid};

use crate::stanza::{RawXml, ns};

use super::{Away, Fate, Holders};

/// What an outer layer tells the inner ones about an envelope.
///
/// One named field per fact: features do not import each other, so this page
/// is all they know of one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// Which sessions are to get the stanza; set outside the router, obeyed by it.
    pub reach: Reach,
    /// A room, or somebody in it, says it to the account, which sits there for
    /// the sessions of the [reach](Self::reach): each gets it under its own
    /// address, as if it had joined by itself (XEP-0045 §7.4, §7.5). Set by the
    /// layer that names them, obeyed by the router.
    pub from_room: bool,
    /// Which sessions are to get a message besides, if the session that its
    /// `to` names is not there. Like a reach, set outside the router and
    /// obeyed by it: only there is it known who is connected.
    pub stand_ins: Vec<FullJid>,
    /// Set by a layer that is going to send copies: the router notes in it
    /// whom it delivers to, so that they and who gets a copy know of each other.
    pub holders: Option<Holders>,
    /// Where the stanza has been archived, and under which ID.
    ///
    /// On the receiver's side the stanza itself bears the stamp as well. On
    /// the sender's side only this fact does, since the stamp must not leave
    /// the account (XEP-0313 §3.5); copies for the sender's own sessions are
    /// stamped from here.
    pub archived: Option<Archived>,
    /// To whom one of our rooms broadcasts the stanza: real JIDs, full ones or
    /// an account's bare one. Set by whoever broadcasts, with
    /// [`Emit::room_broadcast`](super::Emit::room_broadcast), obeyed by the
    /// router at [`Route::Broadcast`](super::Route::Broadcast).
    pub audience: Option<Arc<[Jid]>>,
    /// Who wrote what one of our rooms broadcasts, by real bare JID, where the
    /// room says so ([`Emit::written_by`](super::Emit::written_by)): `from`
    /// names an occupant only.
    pub author: Option<Arc<BareJid>>,
    /// Who gets what one of our rooms broadcasts besides the
    /// [audience](Self::audience): bare JIDs of members who are away. Set by a
    /// layer while the broadcast passes, obeyed by the router, so that there
    /// is one moment at which it is decided who gets it and how.
    pub away: Option<Away>,
    /// The account has asked for this groupchat to be kept for it, and no client
    /// gets it: an archive that leaves groupchat out takes this in. Set by a
    /// layer that takes a room's messages in for who is away.
    pub wanted: bool,
    /// What becomes of the stanza if the session it goes to dies before
    /// acknowledging it, where whoever made it has said so
    /// ([`Emit::fate`](super::Emit::fate)). Otherwise
    /// [`Fate::of_original`] decides.
    pub fate: Option<Fate>,
}

/// An entry in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// Whose archive.
    pub by: BareJid,
    /// The archive ID (XEP-0359).
    pub id: String,
}

/// Which sessions of the account a stanza is to reach.
///
/// A layer that wants other recipients than RFC 6121 §8 does not send the
/// stanza itself. It says so here, and the router delivers that one stanza,
/// stamped by then, to them all. With a reach the router neither stores the
/// stanza offline nor bounces it; if all whom [`Besides`](Reach::Besides)
/// names are gone, it does as without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// The choice of RFC 6121 §8.
    #[default]
    Rfc,
    /// These sessions besides the RFC's choice, each at most once.
    Besides(Arc<[FullJid]>),
    /// These sessions and no others.
    Only(Arc<[FullJid]>),
}

impl Reach {
    /// These sessions, too. A layer outside that named all the recipients has
    /// said who else may get it: then nobody is added.
    pub fn widen(&mut self, sessions: impl IntoIterator<Item = FullJid>) {
        let mut reached = match std::mem::take(self) {
            Reach::Rfc => Vec::new(),
            Reach::Besides(reached) => reached.to_vec(),
            only @ Reach::Only(_) => {
                *self = only;
                return;
            }
        };
        for session in sessions {
            if !reached.contains(&session) {
                reached.push(session);
            }
        }
        if !reached.is_empty() {
            *self = Reach::Besides(reached.into());
        }
    }
}

impl Archived {
    /// The element that says so: `<stanza-id/>` (XEP-0359 §3).
    pub fn stamp(&self) -> RawXml {
        RawXml::build("stanza-id", ns::SID)
            .attr("by", self.by.as_str())
            .attr("id", &self.id)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(resource: &str) -> FullJid {
        format!("alice@a.example/{resource}").parse().unwrap()
    }

    #[test]
    fn a_stamp_says_by_whom_and_under_which_id() {
        let archived = Archived {
            by: session("phone").to_bare(),
            id: "-abc".into(),
        };
        assert_eq!(
            archived.stamp().as_str(),
            "<stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='-abc'/>"
        );
    }

    #[test]
    fn a_reach_is_widened_by_whom_it_does_not_name_unless_it_names_everybody() {
        let mut reach = Reach::Rfc;
        reach.widen([]);
        assert_eq!(reach, Reach::Rfc);
        reach.widen([session("phone")]);
        reach.widen([session("desk"), session("phone")]);
        assert_eq!(
            reach,
            Reach::Besides([session("phone"), session("desk")].into())
        );
        let mut only = Reach::Only([session("phone")].into());
        only.widen([session("desk")]);
        assert_eq!(only, Reach::Only([session("phone")].into()));
    }
}
