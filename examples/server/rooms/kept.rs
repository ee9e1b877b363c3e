//! Where persistent rooms are kept. Their history is not: it is for who comes
//! while the talk goes on.

use jid::BareJid;
use rusqlite::Connection;
use tower_xmpp::flow::Affiliation;
use tower_xmpp::stanza::{Stanza, Time};
use tower_xmpp::testkit::room::{SavedRoom, SavedUser};

use super::super::storage::{bare_jid, element, stanza};

/// All rooms of this service.
pub fn read(db: &Connection, service: &BareJid) -> rusqlite::Result<Vec<SavedRoom>> {
    let mut rooms = db.prepare("SELECT room, config, subject, subject_at FROM rooms")?;
    let mut rows = rooms.query([])?;
    let mut read = vec![];
    while let Some(row) = rows.next()? {
        let mut saved = SavedRoom::new(bare_jid(row, 0)?, element(row, 1)?);
        if saved.room.domain() != service.domain() {
            continue;
        }
        if let Some(at) = row.get::<_, Option<i64>>(3)? {
            saved.subject = Some((stanza(row, 2)?, Time::from_micros(at)));
        }
        saved.users = users(db, &saved.room)?;
        read.push(saved);
    }
    Ok(read)
}

/// Keeps the room as it is now; with nothing to keep, forgets it.
pub fn write(db: &Connection, room: &BareJid, saved: Option<&SavedRoom>) -> rusqlite::Result<()> {
    // With the old row go its users.
    db.execute("DELETE FROM rooms WHERE room = ?1", [room.as_str()])?;
    let Some(saved) = saved else {
        return Ok(());
    };
    let subject = saved.subject.as_ref();
    db.prepare_cached("INSERT INTO rooms VALUES (?1, ?2, ?3, ?4)")?
        .execute((
            room.as_str(),
            saved.config.to_xml(),
            subject.map(|(stanza, _)| Stanza::to_xml(stanza)),
            subject.map(|(_, at)| at.micros()),
        ))?;
    let insert = "INSERT INTO room_users VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut insert = db.prepare_cached(insert)?;
    for user in &saved.users {
        insert.execute((
            room.as_str(),
            user.jid.as_str(),
            name(user.affiliation),
            &user.nick,
            &user.reason,
        ))?;
    }
    Ok(())
}

fn users(db: &Connection, room: &BareJid) -> rusqlite::Result<Vec<SavedUser>> {
    let all = "SELECT user, affiliation, nick, reason FROM room_users WHERE room = ?1";
    let mut all = db.prepare_cached(all)?;
    let users = all.query_map([room.as_str()], |row| {
        let affiliation: String = row.get(1)?;
        Ok(SavedUser {
            jid: bare_jid(row, 0)?,
            affiliation: named(&affiliation),
            nick: row.get(2)?,
            reason: row.get(3)?,
        })
    })?;
    users.collect()
}

const NAMES: [(Affiliation, &str); 4] = [
    (Affiliation::Owner, "owner"),
    (Affiliation::Admin, "admin"),
    (Affiliation::Member, "member"),
    (Affiliation::Outcast, "outcast"),
];

fn name(affiliation: Affiliation) -> &'static str {
    let name = NAMES.iter().find(|(it, _)| *it == affiliation);
    name.map_or("none", |(_, name)| name)
}

fn named(name: &str) -> Affiliation {
    let affiliation = NAMES.iter().find(|(_, it)| *it == name);
    affiliation.map_or(Affiliation::None, |(affiliation, _)| *affiliation)
}
