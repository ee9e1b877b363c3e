-- Version 1. Addresses are normalised JIDs as text, stanzas and elements XML
-- as text, times microseconds since 1970.

-- What must be the same after a restart: the key of occupant ids, …
CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What RFC 5802 §3 lets a server keep instead of a password.
CREATE TABLE scram_keys (
    account TEXT NOT NULL,
    hash TEXT NOT NULL,
    salt BLOB NOT NULL,
    iterations INTEGER NOT NULL,
    stored BLOB NOT NULL,
    server BLOB NOT NULL,
    PRIMARY KEY (account, hash)
) STRICT, WITHOUT ROWID;

-- Both halves of a subscription: 0 no, 1 asked for, 2 yes.
CREATE TABLE contacts (
    account TEXT NOT NULL,
    contact TEXT NOT NULL,
    name TEXT,
    hears INTEGER NOT NULL,
    is_heard INTEGER NOT NULL,
    is_listed INTEGER NOT NULL,
    request TEXT,
    PRIMARY KEY (account, contact)
) STRICT, WITHOUT ROWID;

CREATE TABLE contact_groups (
    account TEXT NOT NULL,
    contact TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (account, contact, name),
    FOREIGN KEY (account, contact) REFERENCES contacts ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE private_xml (
    account TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    xml TEXT NOT NULL,
    PRIMARY KEY (account, namespace, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE blocked (
    account TEXT NOT NULL,
    jid TEXT NOT NULL,
    PRIMARY KEY (account, jid)
) STRICT, WITHOUT ROWID;

CREATE TABLE offline_messages (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    xml TEXT NOT NULL
) STRICT;
CREATE INDEX offline_by_account ON offline_messages (account, position);

CREATE TABLE pep_nodes (
    account TEXT NOT NULL,
    node TEXT NOT NULL,
    access TEXT NOT NULL,
    max_items INTEGER NOT NULL,
    persists INTEGER NOT NULL,
    sends_last TEXT NOT NULL,
    notifies_retractions INTEGER NOT NULL,
    PRIMARY KEY (account, node)
) STRICT, WITHOUT ROWID;

-- A higher position is newer.
CREATE TABLE pep_items (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    node TEXT NOT NULL,
    id TEXT NOT NULL,
    xml TEXT NOT NULL,
    UNIQUE (account, node, id),
    FOREIGN KEY (account, node) REFERENCES pep_nodes ON DELETE CASCADE
) STRICT;

CREATE TABLE rooms (
    room TEXT PRIMARY KEY,
    config TEXT NOT NULL,
    subject TEXT,
    subject_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE room_users (
    room TEXT NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user TEXT NOT NULL,
    affiliation TEXT NOT NULL,
    nick TEXT,
    reason TEXT,
    PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;
