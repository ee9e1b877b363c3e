//! The configuration form (XEP-0045 §10.2, §15.5.3): one table of fields, read
//! and written by the same lines.

use crate::stanza::{Element, ns};

use super::form::{self, Filled, boolean, field, flag, with_options};
use super::{Limits, PrivateMessages, Refusal, RoomConfig};

/// One field: how it is called, and its way in and out of the configuration.
struct Field {
    var: &'static str,
    label: &'static str,
    value: Value,
}

enum Value {
    Flag(fn(&mut RoomConfig) -> &mut bool),
    Text(fn(&mut RoomConfig) -> &mut String),
    Choice {
        options: &'static [(&'static str, &'static str)],
        get: fn(&RoomConfig) -> &'static str,
        set: fn(&mut RoomConfig, &str),
    },
    Count {
        get: fn(&mut RoomConfig) -> &mut usize,
        most: fn(&Limits) -> usize,
    },
}

const FIELDS: &[Field] = &[
    Field {
        var: "muc#roomconfig_roomname",
        label: "Name",
        value: Value::Text(|config| &mut config.name),
    },
    Field {
        var: "muc#roomconfig_roomdesc",
        label: "Description",
        value: Value::Text(|config| &mut config.description),
    },
    Field {
        var: "muc#roomconfig_lang",
        label: "Language",
        value: Value::Text(|config| &mut config.language),
    },
    Field {
        var: "muc#roomconfig_publicroom",
        label: "Listed publicly",
        value: Value::Flag(|config| &mut config.public),
    },
    Field {
        var: "muc#roomconfig_persistentroom",
        label: "Stays when everybody has left",
        value: Value::Flag(|config| &mut config.persistent),
    },
    Field {
        var: "muc#roomconfig_membersonly",
        label: "For members only",
        value: Value::Flag(|config| &mut config.members_only),
    },
    Field {
        var: "muc#roomconfig_moderatedroom",
        label: "Only who was given voice speaks",
        value: Value::Flag(|config| &mut config.moderated),
    },
    Field {
        var: "muc#roomconfig_changesubject",
        label: "Participants change the subject",
        value: Value::Flag(|config| &mut config.participants_change_subject),
    },
    Field {
        var: "muc#roomconfig_allowinvites",
        label: "Participants invite",
        value: Value::Flag(|config| &mut config.participants_invite),
    },
    Field {
        var: "muc#roomconfig_enablelogging",
        label: "Logged publicly",
        value: Value::Flag(|config| &mut config.logged),
    },
    Field {
        var: "muc#roomconfig_whois",
        label: "Who sees real addresses",
        value: Value::Choice {
            options: &[("moderators", "Moderators"), ("anyone", "Anyone")],
            get: |config| {
                if config.non_anonymous {
                    "anyone"
                } else {
                    "moderators"
                }
            },
            set: |config, value| config.non_anonymous = value == "anyone",
        },
    },
    Field {
        var: "muc#roomconfig_allowpm",
        label: "Who sends private messages",
        value: Value::Choice {
            options: &[
                ("anyone", "Anyone"),
                ("participants", "Who may speak"),
                ("moderators", "Moderators"),
                ("none", "Nobody"),
            ],
            get: |config| match config.private_messages {
                PrivateMessages::Anyone => "anyone",
                PrivateMessages::Participants => "participants",
                PrivateMessages::Moderators => "moderators",
                PrivateMessages::Nobody => "none",
            },
            set: |config, value| {
                config.private_messages = match value {
                    "participants" => PrivateMessages::Participants,
                    "moderators" => PrivateMessages::Moderators,
                    "none" => PrivateMessages::Nobody,
                    _ => PrivateMessages::Anyone,
                };
            },
        },
    },
    Field {
        var: "muc#roomconfig_maxusers",
        label: "Most occupants at once",
        value: Value::Count {
            get: |config| &mut config.max_users,
            most: |limits| limits.occupants,
        },
    },
    Field {
        var: "muc#maxhistoryfetch",
        label: "Most messages a newcomer is shown",
        value: Value::Count {
            get: |config| &mut config.history,
            most: |limits| limits.history,
        },
    },
];

const PROTECTED: &str = "muc#roomconfig_passwordprotectedroom";
const SECRET: &str = "muc#roomconfig_roomsecret";

/// The form, filled in with what is.
pub(super) fn form(config: &RoomConfig) -> Element {
    let mut form = form::form("form", ns::MUC_ROOMCONFIG);
    let mut config = config.clone();
    for entry in FIELDS {
        let Field { var, label, value } = entry;
        form.push(match value {
            Value::Flag(get) => field(var, "boolean", label, [flag(*get(&mut config))]),
            Value::Text(get) => field(var, "text-single", label, [get(&mut config).as_str()]),
            Value::Choice { options, get, .. } => {
                with_options(field(var, "list-single", label, [get(&config)]), options)
            }
            Value::Count { get, .. } => {
                let count = get(&mut config).to_string();
                field(var, "text-single", label, [count.as_str()])
            }
        });
    }
    let protected = flag(config.password.is_some());
    form.push(field(PROTECTED, "boolean", "Needs a password", [protected]));
    let secret = config.password.as_deref().unwrap_or_default();
    form.push(field(SECRET, "text-private", "Password", [secret]));
    form
}

/// The configuration that somebody wants. Fields that are not there stay as
/// they are; an empty form takes everything as it is (§10.1.2).
pub(super) fn filled_in(
    config: &RoomConfig,
    filled: &Filled,
    limits: &Limits,
) -> Result<RoomConfig, Refusal> {
    let mut new = config.clone();
    if filled.is_empty() {
        return Ok(new);
    }
    if !filled.is_of(ns::MUC_ROOMCONFIG) {
        return Err(Refusal::Malformed);
    }
    for entry in FIELDS {
        let Some(values) = filled.values(entry.var) else {
            continue;
        };
        let value = values.first().map_or("", String::as_str);
        take(&mut new, &entry.value, value, limits)?;
    }
    take_password(&mut new, filled, limits)?;
    Ok(new)
}

fn take(
    config: &mut RoomConfig,
    kind: &Value,
    value: &str,
    limits: &Limits,
) -> Result<(), Refusal> {
    match kind {
        Value::Flag(get) => *get(config) = boolean(value).ok_or(Refusal::ValueRefused)?,
        Value::Text(get) if value.len() <= limits.text => *get(config) = value.to_owned(),
        Value::Choice { options, set, .. } if options.iter().any(|(one, _)| *one == value) => {
            set(config, value);
        }
        // Some clients offer "none" for "as many as there may be".
        Value::Count { get, most } if value.is_empty() || value == "none" => {
            *get(config) = most(limits);
        }
        Value::Count { get, most } => {
            let count: usize = value.trim().parse().map_err(|_| Refusal::ValueRefused)?;
            *get(config) = count.min(most(limits));
        }
        Value::Text(_) | Value::Choice { .. } => return Err(Refusal::ValueRefused),
    }
    Ok(())
}

/// A protected room has a password (§10.2); without the flag a secret alone
/// protects nothing that was open.
fn take_password(config: &mut RoomConfig, filled: &Filled, limits: &Limits) -> Result<(), Refusal> {
    let secret = filled.value(SECRET).filter(|secret| !secret.is_empty());
    if secret.is_some_and(|secret| secret.len() > limits.text) {
        return Err(Refusal::ValueRefused);
    }
    let protected = match filled.value(PROTECTED) {
        Some(value) => boolean(value).ok_or(Refusal::ValueRefused)?,
        None => config.password.is_some(),
    };
    config.password = if protected {
        let secret = secret.map(str::to_owned).or(config.password.take());
        Some(secret.ok_or(Refusal::ValueRefused)?)
    } else {
        None
    };
    Ok(())
}
