//! Questions to a room, and from one occupant to another.

use jid::Jid;

use crate::stanza::{Stanza, Type, ns};

use super::Refusal;
use super::effect::Turn;
use super::occupants::Session;
use super::state::Room;

impl Room {
    pub(super) fn iq(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        stanza: &Stanza,
    ) -> Result<(), Refusal> {
        let nick = stanza.to().and_then(Jid::resource);
        match (stanza.type_(), nick) {
            (Some(Type::Get | Type::Set), None) => self.asked(turn, from, stanza),
            (Some(Type::Get | Type::Set), Some(nick)) => {
                self.relay(turn, from, stanza, nick.as_str())
            }
            (Some(Type::Result | Type::Error), Some(nick)) => {
                self.relay_answer(turn, from, stanza, nick.as_str());
                Ok(())
            }
            // A room asks nobody anything.
            (Some(Type::Result | Type::Error), None) => Ok(()),
            _ => Err(Refusal::Malformed),
        }
    }

    /// A request to the room itself.
    fn asked(&mut self, turn: &mut Turn<'_>, from: &Jid, stanza: &Stanza) -> Result<(), Refusal> {
        let payload = stanza.payload().ok_or(Refusal::Malformed)?;
        let get = stanza.is_type(&Type::Get);
        if payload.is("query", ns::MUC_ADMIN) {
            self.admin(turn, from, stanza, payload)
        } else if payload.is("query", ns::MUC_OWNER) {
            self.owner(turn, from, stanza, payload)
        } else if payload.is("join", ns::MUC2) && turn.settings.muc2 {
            self.account_joins(turn, from, stanza, payload)
        } else if payload.is("part", ns::MUC2) && turn.settings.muc2 {
            self.account_parts(turn, from, stanza)
        } else if payload.is("query", ns::REGISTER) {
            self.register(turn, from, stanza, payload)
        } else if get && payload.is("query", ns::DISCO_INFO) {
            let info = self.info(turn, from, payload)?;
            self.answer(turn, stanza, stanza.reply().with_child(info))
        } else if get && payload.is("query", ns::DISCO_ITEMS) {
            let items = self.items(from);
            self.answer(turn, stanza, stanza.reply().with_child(items))
        } else if get && payload.is("ping", ns::PING) {
            self.answer(turn, stanza, stanza.reply())
        } else {
            Err(Refusal::Unknown)
        }
    }

    /// Sends an answer to who asked.
    pub(super) fn answer(
        &self,
        turn: &mut Turn<'_>,
        request: &Stanza,
        answer: Stanza,
    ) -> Result<(), Refusal> {
        if let Some(to) = request.from() {
            turn.send(&self.address, to, answer);
        }
        Ok(())
    }

    /// A request to an occupant (§17.4). A ping to one's own nick is answered
    /// by the room (XEP-0410 §3.3); a vCard is the user's, not the client's.
    /// Whoever is not in the room hears `not-acceptable`, whatever the nick:
    /// any other error would tell a client that it is still in.
    fn relay(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        stanza: &Stanza,
        nick: &str,
    ) -> Result<(), Refusal> {
        let payload = stanza.payload().ok_or(Refusal::Malformed)?;
        let disco = payload.has_ns(ns::DISCO_INFO) || payload.has_ns(ns::DISCO_ITEMS);
        let sender = match self.occupants.by_jid(from) {
            Some(sender) => sender,
            None if disco => return Err(Refusal::DiscoByStranger),
            None => return Err(Refusal::NotAnOccupant),
        };
        if sender.nick() == nick && payload.is("ping", ns::PING) {
            return self.answer(turn, stanza, stanza.reply());
        }
        let recipient = self
            .occupants
            .by_nick(nick)
            .ok_or(Refusal::NoSuchOccupant)?;
        let (Some(asker), Some(asked)) = (sender.session(from), recipient.primary()) else {
            return Err(Refusal::NoSuchOccupant);
        };
        let to = if payload.is("vCard", ns::VCARD) {
            asked.jid.to_bare().into()
        } else {
            asked.jid.clone()
        };
        let request = stanza
            .clone()
            .with_from(sender.jid.clone())
            .with_id(RelayId::of(asker, asked).write(stanza.id()));
        turn.send(&self.address, &to, request);
        Ok(())
    }

    /// The answer to a relayed request, to the session that asked. An answer
    /// to anything else is dropped.
    fn relay_answer(&self, turn: &mut Turn<'_>, from: &Jid, stanza: &Stanza, nick: &str) {
        let Some((relay, id)) = stanza.id().and_then(RelayId::read) else {
            return;
        };
        let (Some((asker, to)), Some((asked, by))) = (
            self.occupants.by_session(relay.asker),
            self.occupants.by_session(relay.asked),
        ) else {
            return;
        };
        let answers = by.jid == *from || asked.user == *from;
        if answers && asker.nick() == nick {
            let answer = stanza.clone().with_from(asked.jid.clone()).with_id(id);
            turn.send(&self.address, &to.jid, answer);
        }
    }
}

/// Who asked whom, in the id of a relayed request: so no request has to be
/// remembered, and one that is never answered costs nothing. Whoever forges
/// one can only answer in its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RelayId {
    asker: u64,
    asked: u64,
}

impl RelayId {
    fn of(asker: &Session, asked: &Session) -> Self {
        RelayId {
            asker: asker.number,
            asked: asked.number,
        }
    }

    fn write(self, id: Option<&str>) -> String {
        format!("{}-{}-{}", self.asker, self.asked, id.unwrap_or_default())
    }

    fn read(text: &str) -> Option<(Self, &str)> {
        let mut parts = text.splitn(3, '-');
        let asker = parts.next()?.parse().ok()?;
        let asked = parts.next()?.parse().ok()?;
        Some((RelayId { asker, asked }, parts.next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relayed_id_comes_back_whole_with_who_asked_whom() {
        let relay = RelayId { asker: 3, asked: 4 };
        for id in ["", "a", "7-8-9", "ä-"] {
            assert_eq!(RelayId::read(&relay.write(Some(id))), Some((relay, id)));
        }
        for forged in [
            "",
            "3",
            "3-4",
            "x-4-id",
            "-3-4-id",
            "99999999999999999999-1-x",
        ] {
            assert_eq!(RelayId::read(forged), None, "{forged}");
        }
    }
}
