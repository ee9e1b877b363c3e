use jid::FullJid;

use crate::flow::{Emit, Route};
use crate::host::Delivery;
use crate::stanza::{Element, Kind, Stanza, ns};

use super::super::World;
use super::super::record::Happening;
use super::super::state::State;

/// A fault of a host that breaks an invariant, to see that its check fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Plant {
    /// Messages are put into outboxes twice: against
    /// [`OnceEach`](super::Invariant::OnceEach).
    Twice,
    /// Senders get what they send: against
    /// [`NotToSender`](super::Invariant::NotToSender).
    BackToSender,
    /// A `stanza-id` that the sender forged is let through: against
    /// [`OwnArchiveIds`](super::Invariant::OwnArchiveIds).
    ForgedArchiveId,
    /// The sender's archive ID goes to the recipient: against
    /// [`OwnArchiveIds`](super::Invariant::OwnArchiveIds).
    LeakedArchiveId,
    /// Each message waits for the next one to overtake it: against
    /// [`InOrder`](super::Invariant::InOrder).
    Overtaking,
    /// What reaches an account enters again: against
    /// [`NoLoop`](super::Invariant::NoLoop).
    Loop,
}

impl World {
    /// From now on all hosts have this fault.
    pub fn plant(&self, fault: Plant) -> &Self {
        self.inside.core.lock().plant = Some(fault);
        self
    }
}

impl State {
    /// Applies the planted fault to a delivery: what is really delivered.
    pub(in super::super) fn spoil(&mut self, host: usize, delivery: Delivery) -> Vec<Delivery> {
        let Some(plant) = self.plant else {
            return vec![delivery];
        };
        if delivery.stanza.kind() != Kind::Message || delivery.stanza.is_error() {
            return vec![delivery];
        }
        let (sender, sent) = match self.sent(host, &delivery) {
            Some((sender, sent)) => (sender.clone(), sent.clone()),
            None => return vec![delivery],
        };
        match plant {
            Plant::Loop => vec![delivery],
            Plant::Twice => vec![delivery.clone(), delivery],
            Plant::BackToSender => {
                let mut echo = delivery.clone();
                echo.session = sender;
                vec![delivery, echo]
            }
            Plant::ForgedArchiveId => {
                let own = delivery.session.to_bare();
                let ids = sent.children().filter_map(|child| {
                    let forged = child.is("stanza-id", ns::SID).then(|| child.attr("id"));
                    forged.flatten().map(|id| stanza_id(own.as_str(), id))
                });
                vec![with(delivery, ids.collect())]
            }
            Plant::LeakedArchiveId => {
                let id = stanza_id(sender.to_bare().as_str(), "leaked");
                vec![with(delivery, vec![id])]
            }
            Plant::Overtaking => {
                let held = self.held.remove(&delivery.session);
                match held {
                    Some(held) => vec![delivery, held],
                    None => {
                        self.held.insert(delivery.session.clone(), delivery);
                        Vec::new()
                    }
                }
            }
        }
    }

    /// What a client sent that led to this.
    fn sent(&self, host: usize, delivery: &Delivery) -> Option<(&FullJid, &Stanza)> {
        let because = self.record.entry_of(host, delivery.pass)?;
        match &self.record.entries[self.record.root(because)].what {
            Happening::Sent { session, stanza } => Some((session, stanza)),
            _ => None,
        }
    }

    /// The emit that makes a loop, if one is planted.
    pub(in super::super) fn looping(&self, route: &Route, stanza: &Stanza) -> Option<Emit> {
        let planted = self.plant == Some(Plant::Loop)
            && stanza.kind() == Kind::Message
            && matches!(route, Route::ToAccount(_));
        planted.then(|| Emit::new_at(route.clone(), stanza.clone()))
    }
}

fn with(mut delivery: Delivery, children: Vec<Element>) -> Delivery {
    for child in children {
        delivery.stanza.push(child);
    }
    delivery
}

fn stanza_id(by: &str, id: &str) -> Element {
    Element::new("stanza-id", ns::SID)
        .with_attr("by", by)
        .with_attr("id", id)
}
