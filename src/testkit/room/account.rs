//! An account joins and parts by request (the MUC2 draft, "bare join" and
//! "bare part"): what a presence from its bare JID does, with an answer that
//! says under which nick.

use jid::Jid;

use crate::stanza::{Element, ElementRef, Stanza, Type, ns};

use super::Refusal;
use super::effect::Turn;
use super::state::Room;

impl Room {
    /// `<join/>`, from an account alone. What a join brings comes before the
    /// answer.
    pub(super) fn account_joins(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        stanza: &Stanza,
        join: ElementRef<'_>,
    ) -> Result<(), Refusal> {
        only_an_account(from, stanza)?;
        let text = |name| join.child(name, ns::MUC2).map(ElementRef::text);
        let nick = text("nickname").ok_or(Refusal::NickMissing)?;
        let seat = self.address.with_resource_str(nick.trim());
        let seat = seat.map_err(|_| Refusal::NickMissing)?;
        let mut x = Element::new("x", ns::MUC);
        if let Some(password) = text("password") {
            x.push(Element::new("password", ns::MUC).with_text(&password));
        }
        // Deliberately without history: the account has an archive to ask, and
        // the draft sends none.
        x.push(Element::new("history", ns::MUC).with_attr("maxstanzas", "0"));
        let presence = Stanza::presence()
            .with_from(from.clone())
            .with_to(seat)
            .with_child(x);
        self.presence(turn, from, &presence)?;
        let nick = self.sender(from)?.nick().to_owned();
        let joined = Element::new("join", ns::MUC2)
            .with_child(Element::new("nickname", ns::MUC2).with_text(&nick));
        self.answer(turn, stanza, stanza.reply().with_child(joined))
    }

    /// `<part/>`, from an account that is in the room.
    pub(super) fn account_parts(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Jid,
        stanza: &Stanza,
    ) -> Result<(), Refusal> {
        only_an_account(from, stanza)?;
        self.sender(from)?;
        let presence = Stanza::presence().with_type(Type::Unavailable);
        self.leave(turn, from, &presence);
        let parted = Element::new("part", ns::MUC2);
        self.answer(turn, stanza, stanza.reply().with_child(parted))
    }
}

fn only_an_account(from: &Jid, stanza: &Stanza) -> Result<(), Refusal> {
    if !stanza.is_type(&Type::Set) {
        return Err(Refusal::Malformed);
    }
    match from.is_bare() {
        true => Ok(()),
        false => Err(Refusal::AccountsOnly),
    }
}
