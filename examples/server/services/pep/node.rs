//! How a node is configured, and the forms that say so (XEP-0060 §16.4.4).

use tower_xmpp::stanza::{Condition, Element, ElementRef, StanzaError, ns};

/// What `max` means, and the most that may be asked for.
pub const MAX_ITEMS: usize = 1_000;

const CONFIG: &str = "http://jabber.org/protocol/pubsub#node_config";
const ERRORS: &str = "http://jabber.org/protocol/pubsub#errors";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub access: Access,
    pub max_items: usize,
    pub persists: bool,
    pub sends_last: SendsLast,
    pub notifies_retractions: bool,
}

/// Who may see the items besides the account itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Open,
    /// Who hears of the account's presence.
    Presence,
    /// Nobody: there is no list yet to be on.
    Whitelist,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendsLast {
    Never,
    OnSubscription,
    OnSubscriptionAndPresence,
}

impl Default for Config {
    /// What XEP-0163 §4 asks for.
    fn default() -> Self {
        Self {
            access: Access::Presence,
            max_items: 1,
            persists: true,
            sends_last: SendsLast::OnSubscriptionAndPresence,
            notifies_retractions: true,
        }
    }
}

impl Access {
    pub const ALL: [Self; 3] = [Self::Open, Self::Presence, Self::Whitelist];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Presence => "presence",
            Self::Whitelist => "whitelist",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

impl SendsLast {
    pub const ALL: [Self; 3] = [
        Self::Never,
        Self::OnSubscription,
        Self::OnSubscriptionAndPresence,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::OnSubscription => "on_sub",
            Self::OnSubscriptionAndPresence => "on_sub_and_presence",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

impl Config {
    /// The same with what the form says; none if it says something that is
    /// not known here. Fields that it leaves out stay (XEP-0060 §8.2.4).
    pub fn with(mut self, form: ElementRef<'_>) -> Option<Self> {
        let fields = form.children().filter(|it| it.is("field", ns::DATA_FORMS));
        for field in fields {
            let value = field.child("value", ns::DATA_FORMS);
            let value = value.map(ElementRef::text).unwrap_or_default();
            let value = value.trim();
            match field.attr("var")?.strip_prefix("pubsub#") {
                None if field.attr("var") == Some("FORM_TYPE") => {}
                Some("access_model") => self.access = Access::named(value)?,
                Some("max_items") => self.max_items = max_items(value)?,
                Some("persist_items") => self.persists = boolean(value)?,
                Some("send_last_published_item") => self.sends_last = SendsLast::named(value)?,
                Some("notify_retract") => self.notifies_retractions = boolean(value)?,
                // What cannot be otherwise may be asked for.
                Some("deliver_payloads" | "deliver_notifications") => {
                    boolean(value)?.then_some(())?;
                }
                Some("title" | "type") => {}
                _ => return None,
            }
        }
        Some(self)
    }

    /// The form for the owner to fill in.
    pub fn form(&self) -> Element {
        let field = |name: &str, kind: &str, value: &str| {
            Element::new("field", ns::DATA_FORMS)
                .with_attr("var", name)
                .with_attr("type", kind)
                .with_child(Element::new("value", ns::DATA_FORMS).with_text(value))
        };
        let list = |name, value, options: [&str; 3]| {
            let mut field = field(name, "list-single", value);
            for option in options {
                let value = Element::new("value", ns::DATA_FORMS).with_text(option);
                field.push(Element::new("option", ns::DATA_FORMS).with_child(value));
            }
            field
        };
        let yes_or_no = |yes| if yes { "1" } else { "0" };
        let max = self.max_items.to_string();
        [
            field("FORM_TYPE", "hidden", CONFIG),
            list(
                "pubsub#access_model",
                self.access.as_str(),
                Access::ALL.map(Access::as_str),
            ),
            field("pubsub#max_items", "text-single", &max),
            field("pubsub#persist_items", "boolean", yes_or_no(self.persists)),
            list(
                "pubsub#send_last_published_item",
                self.sends_last.as_str(),
                SendsLast::ALL.map(SendsLast::as_str),
            ),
            field(
                "pubsub#notify_retract",
                "boolean",
                yes_or_no(self.notifies_retractions),
            ),
        ]
        .into_iter()
        .fold(
            Element::new("x", ns::DATA_FORMS).with_attr("type", "form"),
            Element::with_child,
        )
    }
}

/// An error with the condition of XEP-0060's own that says more.
pub fn error(condition: Condition, more: &str) -> StanzaError {
    StanzaError::from(condition).with_application(Element::new(more, ERRORS))
}

fn max_items(value: &str) -> Option<usize> {
    match value {
        "max" => Some(MAX_ITEMS),
        number => number.parse().ok().filter(|n| (1..=MAX_ITEMS).contains(n)),
    }
}

fn boolean(value: &str) -> Option<bool> {
    match value {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(fields: &[(&str, &str)]) -> Option<Config> {
        let mut form = Element::new("x", ns::DATA_FORMS);
        for (name, value) in fields {
            let value = Element::new("value", ns::DATA_FORMS).with_text(value);
            let field = Element::new("field", ns::DATA_FORMS).with_attr("var", *name);
            form.push(field.with_child(value));
        }
        Config::default().with(form.view())
    }

    #[test]
    fn a_form_says_what_its_config_is() {
        let config = with(&[
            (
                "FORM_TYPE",
                "http://jabber.org/protocol/pubsub#publish-options",
            ),
            ("pubsub#persist_items", "true"),
            ("pubsub#max_items", "max"),
            ("pubsub#send_last_published_item", "never"),
            ("pubsub#access_model", "whitelist"),
        ])
        .unwrap();
        assert_eq!(config.max_items, MAX_ITEMS);
        assert_eq!(config.access, Access::Whitelist);
        assert_eq!(Config::default().with(config.form().view()), Some(config));
    }

    #[test]
    fn what_cannot_be_done_is_not_agreed_to() {
        for (name, value) in [
            ("pubsub#access_model", "roster"),
            ("pubsub#max_items", "0"),
            ("pubsub#max_items", "1001"),
            ("pubsub#persist_items", "maybe"),
            ("pubsub#deliver_payloads", "0"),
            ("pubsub#item_expire", "10"),
            ("other", "1"),
        ] {
            assert_eq!(with(&[(name, value)]), None, "{name}");
        }
    }
}
