//! What is asked, what is worth a notification, what an answer means. Pure.

use std::borrow::Cow;

use jid::{BareJid, Jid};

use crate::stanza::{
    Condition, Element, ElementRef, ErrorType, Kind, MessageType, RawXml, Stanza, Type, ns,
};

use super::{Limits, Standing, Target};

const PUBLISH_OPTIONS: &str = "http://jabber.org/protocol/pubsub#publish-options";
const SUMMARY: &str = "urn:xmpp:push:summary";

/// What a client asks of a room by IQ (XEP-0357 §5, §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// To notify this target.
    Enable(Target),
    /// Not to notify it any more; without a node, whichever node it has.
    Disable { jid: Jid, node: Option<String> },
}

/// What an answer to a notification means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It arrived.
    Woken,
    /// It never will: the registration ends.
    Gone,
    /// It did not, and so many times in a row end the registration.
    Failed,
    /// It may be better later: nothing is counted.
    Later,
}

/// Which parts of a message a notification contains. Nothing by default: the
/// target is told that there is something, and asks the room (XEP-0357 §9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// `last-message-sender`: the occupant.
    pub sender: bool,
    /// `last-message-body`.
    pub body: bool,
}

/// Whether a stanza is for [`read`].
#[inline]
pub(super) fn is_request(iq: &Stanza) -> bool {
    iq.is_type(&Type::Set) && iq.mentions(ns::PUSH)
}

/// Reads a request. `None` if it is about something else.
///
/// 1. `jid` must be there and be an address; a node is at most
///    [`Limits::node`] bytes, options at most [`Limits::options`]: else
///    `bad-request`.
/// 2. **Who may be notified**: a client or account of the asker's own, of whose
///    bare JID it is. Others' get `forbidden`: a room must not be made to send
///    IQs to strangers. A push service, which is a domain, needs a `secret`
///    among the options, by which it knows who sent it: else `not-allowed`.
pub(super) fn read(
    request: &Stanza,
    room: &BareJid,
    asker: &Jid,
    limits: &Limits,
) -> Option<Result<Ask, Condition>> {
    let payload = request.payload()?;
    let enable = payload.is("enable", ns::PUSH);
    if !enable && !payload.is("disable", ns::PUSH) {
        return None;
    }
    Some(asked(payload, enable, room, asker, limits))
}

fn asked(
    payload: ElementRef<'_>,
    enable: bool,
    room: &BareJid,
    asker: &Jid,
    limits: &Limits,
) -> Result<Ask, Condition> {
    let jid = payload.attr("jid").and_then(|jid| Jid::new(jid).ok());
    let jid = jid.ok_or(Condition::BadRequest)?;
    let node = payload.attr("node").map(str::to_owned);
    if node.as_ref().is_some_and(|node| node.len() > limits.node) {
        return Err(Condition::BadRequest);
    }
    if !enable {
        return Ok(Ask::Disable { jid, node });
    }
    let options = payload.child("x", ns::DATA_FORMS);
    let secret = options.is_some_and(|form| value(form, "secret").is_some());
    let options = options.map(ElementRef::to_xml);
    if options
        .as_ref()
        .is_some_and(|form| form.len() > limits.options)
    {
        return Err(Condition::BadRequest);
    }
    let account = asker.to_bare();
    if jid.to_bare() != account {
        if jid.node().is_some() || jid.is_full() {
            return Err(Condition::Forbidden);
        }
        if !secret {
            return Err(Condition::NotAllowed);
        }
    }
    Ok(Ask::Enable(Target {
        room: room.clone(),
        account,
        jid,
        node,
        options,
    }))
}

/// Whether a session asks to be notified itself, or as its account.
pub(super) fn enables_itself(request: &Stanza, account: &BareJid) -> bool {
    let payload = request.payload();
    let enable = payload.filter(|payload| payload.is("enable", ns::PUSH));
    let jid = enable.and_then(|enable| Jid::new(enable.attr("jid")?).ok());
    jid.is_some_and(|jid| jid.to_bare() == *account)
}

/// An account's request to be notified itself.
pub(super) fn enable(id: &str, account: &BareJid, node: &str) -> Stanza {
    let mut enable = Element::new("enable", ns::PUSH);
    enable.set_attr("jid", account.as_str());
    enable.set_attr("node", node);
    Stanza::iq(Type::Set, id).with_child(enable)
}

/// Whether a room's answer to disco#info offers notifications.
pub fn offers(info: &Stanza) -> bool {
    info.child("query", ns::DISCO_INFO).is_some_and(|query| {
        let mut features = query.children();
        features
            .any(|child| child.is("feature", ns::DISCO_INFO) && child.attr("var") == Some(ns::PUSH))
    })
}

/// The node that a notification is for, empty if it names none (XEP-0357 §7).
/// `None` if the stanza is no notification.
pub fn notified_node(request: &Stanza) -> Option<String> {
    let pubsub = request.child("pubsub", ns::PUBSUB)?;
    let publish = pubsub.child("publish", ns::PUBSUB)?;
    let item = publish.child("item", ns::PUBSUB)?;
    let is_push = request.is_type(&Type::Set) && item.has_child("notification", ns::PUSH);
    is_push.then(|| publish.attr("node").unwrap_or_default().to_owned())
}

/// Whether somebody of this standing may register; `None`: no such room.
pub(super) fn may_register(standing: Option<Standing>) -> Result<(), Condition> {
    match standing {
        None => Err(Condition::ItemNotFound),
        Some(standing) if standing.may_enter() => Ok(()),
        Some(standing) if standing.members_only => match standing.affiliation {
            crate::flow::Affiliation::Outcast => Err(Condition::Forbidden),
            _ => Err(Condition::RegistrationRequired),
        },
        Some(_) => Err(Condition::Forbidden),
    }
}

/// Whether a message that a room broadcasts wakes anybody: groupchat with
/// something said in it, not what is for the moment only.
pub fn wakes(message: &Stanza) -> bool {
    message.message_type() == MessageType::Groupchat
        && (message.has_body()
            || message.has_child("encryption", ns::EME)
            || message.has_child("encrypted", ns::OMEMO)
            || message.has_child("encrypted", ns::OMEMO2))
        && !message.has_child("no-store", ns::HINTS)
}

/// What an answer to a notification means.
///
/// | Answer | A client | Its account | A push service |
/// |---|---|---|---|
/// | result | [`Woken`](Verdict::Woken) | woken | woken |
/// | error of type wait, `remote-server-timeout` | [`Later`](Verdict::Later) | later | later |
/// | `remote-server-not-found` | [`Failed`](Verdict::Failed) | failed | failed |
/// | `item-not-found` | [`Gone`](Verdict::Gone) | gone | failed |
/// | any other error | gone | failed | failed |
///
/// Resources are random, so a client that is gone does not come back; an
/// account whose server has the layer off for an hour does.
pub fn judge(answer: &Stanza, target: &Target) -> Verdict {
    let Some(error) = answer.error() else {
        return Verdict::Woken;
    };
    let (is_client, is_direct) = (target.jid.is_full(), target.is_direct());
    match error.condition {
        _ if error.type_ == ErrorType::Wait => Verdict::Later,
        Condition::RemoteServerTimeout => Verdict::Later,
        Condition::RemoteServerNotFound => Verdict::Failed,
        Condition::ItemNotFound if is_direct => Verdict::Gone,
        _ if is_direct && is_client => Verdict::Gone,
        _ => Verdict::Failed,
    }
}

/// What a room tells of one message (XEP-0357 §7): to all clients the same, and
/// to all services.
#[derive(Debug)]
pub(super) struct Notice {
    room: BareJid,
    to_clients: RawXml,
    to_services: RawXml,
}

impl Notice {
    pub(super) fn of(room: &BareJid, message: &Stanza, summary: &Summary) -> Self {
        Self {
            room: room.clone(),
            to_clients: item(false, message, summary),
            to_services: item(true, message, summary),
        }
    }

    /// The notification for one target, with its form of publish-options.
    pub(super) fn to(&self, target: &Target, options: Option<&RawXml>, id: String) -> Stanza {
        let item = match target.is_direct() {
            true => &self.to_clients,
            false => &self.to_services,
        };
        let mut pubsub = RawXml::build("pubsub", ns::PUBSUB).open("publish", ns::PUBSUB);
        if let Some(node) = &target.node {
            pubsub = pubsub.attr("node", node);
        }
        pubsub = pubsub.raw(item).close();
        if let Some(form) = options {
            // Deliberately inside `<pubsub/>`, as XEP-0060 §7.1.5 has it; the
            // example of XEP-0357 shows it beside.
            pubsub = pubsub.open("publish-options", ns::PUBSUB).raw(form);
        }
        Stanza::between(
            Kind::Iq,
            Some(Type::Set),
            self.room.clone(),
            target.jid.clone(),
        )
        .with_id(id)
        .with_child(pubsub.finish())
    }
}

fn item(counts: bool, message: &Stanza, summary: &Summary) -> RawXml {
    let item = RawXml::build("item", ns::PUBSUB).open("notification", ns::PUSH);
    let item = match summarised(counts, message, summary) {
        Some(form) => item.raw(&form),
        None => item,
    };
    item.finish()
}

/// What a notification says of the message; nothing, if that is all: a client
/// needs to be told nothing, it asks the room. A service is told a count.
fn summarised(counts: bool, message: &Stanza, summary: &Summary) -> Option<RawXml> {
    let count = counts.then_some(Cow::Borrowed("1"));
    let sender = message.from().filter(|_| summary.sender);
    let body = summary.body.then(|| message.body_text()).flatten();
    let fields = [
        ("message-count", count),
        ("last-message-sender", sender.map(|it| it.as_str().into())),
        ("last-message-body", body.map(Cow::Owned)),
    ];
    if fields.iter().all(|(_, value)| value.is_none()) {
        return None;
    }
    let form = RawXml::build("x", ns::DATA_FORMS).attr("type", "form");
    let typed = [("FORM_TYPE", Some(Cow::Borrowed(SUMMARY)))];
    let fields = typed.into_iter().chain(fields);
    let form = fields.fold(form, |form, (var, value)| match value {
        Some(value) => form
            .open("field", ns::DATA_FORMS)
            .attr("var", var)
            .open("value", ns::DATA_FORMS)
            .text(&value)
            .close()
            .close(),
        None => form,
    });
    Some(form.finish())
}

/// The value of a field in a form of publish-options.
fn value(form: ElementRef<'_>, var: &str) -> Option<String> {
    let text = |var: &str| {
        let mut fields = form.children();
        let field = fields.find(|field| field.attr("var") == Some(var))?;
        Some(field.child("value", ns::DATA_FORMS)?.text())
    };
    let is_options = text("FORM_TYPE").as_deref() == Some(PUBLISH_OPTIONS);
    text(var).filter(|value| is_options && !value.is_empty())
}
