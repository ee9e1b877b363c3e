//! What a session that asked for its token is told about its own messages.

use jid::{BareJid, FullJid};

use crate::flow::{Emit, EmitKind};
use crate::stanza::{Condition, Element, RawXml, Stanza, Type, ns};

use super::ArchiveError;

/// The message lies in the archive under another ID than the client computes.
/// One that bore no `id` is told without.
pub(super) fn archived(session: &FullJid, message_id: Option<&str>, id: &str) -> Emit {
    let mut archived = RawXml::build("archived", ns::ARCHIVE_ID);
    if let Some(message_id) = message_id {
        archived = archived.attr("id", message_id);
    }
    told(session, archived.attr("as", id).finish())
}

/// The message is not in the archive, and will not be.
pub(super) fn not_archived(
    session: &FullJid,
    message_id: Option<&str>,
    error: &ArchiveError,
) -> Emit {
    let mut not_archived = RawXml::build("not-archived", ns::ARCHIVE_ID);
    if let Some(message_id) = message_id {
        not_archived = not_archived.attr("id", message_id);
    }
    let condition = Element::new(condition(error).as_str(), ns::STANZAS);
    told(session, not_archived.element(condition.view()).finish())
}

/// What to call it on the wire.
pub(super) fn condition(error: &ArchiveError) -> Condition {
    match error {
        ArchiveError::MessageTooLarge { .. }
        | ArchiveError::TooManyArchives(_)
        | ArchiveError::NoRoom(_) => Condition::ResourceConstraint,
        ArchiveError::IdTaken { .. } | ArchiveError::Store(_) => Condition::InternalServerError,
    }
}

/// To that session alone, from its account. Not of type error: that would read
/// as "not delivered".
fn told(session: &FullJid, what: RawXml) -> Emit {
    let account: BareJid = session.to_bare();
    let message = Stanza::message()
        .with_type(Type::Normal)
        .with_from(account)
        .with_to(session.clone())
        .with_child(what)
        .with_child(RawXml::build("no-store", ns::HINTS).finish())
        .with_child(RawXml::build("no-copy", ns::HINTS).finish());
    let emit = Emit::copy(session.clone(), message);
    debug_assert!(matches!(emit.kind, EmitKind::Copy));
    emit
}
