//! Data forms, as far as rooms speak them (XEP-0004).

use std::collections::BTreeMap;

use crate::stanza::{Element, ElementRef, ns};

/// A form that somebody filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filled {
    /// Given up, rather than filled in.
    pub(super) cancelled: bool,
    fields: BTreeMap<String, Vec<String>>,
}

impl Filled {
    /// Reads the form inside `parent`. `None` if there is none, or one that is
    /// neither submitted nor cancelled.
    pub(super) fn inside(parent: ElementRef<'_>) -> Option<Self> {
        Filled::read(parent.child("x", ns::DATA_FORMS)?)
    }

    pub(super) fn read(x: ElementRef<'_>) -> Option<Self> {
        let cancelled = match x.attr("type")? {
            "submit" => false,
            "cancel" => true,
            _ => return None,
        };
        let fields = x
            .children()
            .filter(|child| child.is("field", ns::DATA_FORMS))
            .filter_map(|field| {
                let values = field
                    .children()
                    .filter(|child| child.is("value", ns::DATA_FORMS))
                    .map(ElementRef::text);
                Some((field.attr("var")?.to_owned(), values.collect()))
            })
            .collect();
        Some(Filled { cancelled, fields })
    }

    /// Is it of this FORM_TYPE (XEP-0068)?
    pub(super) fn is_of(&self, form_type: &str) -> bool {
        self.value("FORM_TYPE") == Some(form_type)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.keys().all(|var| var == "FORM_TYPE")
    }

    /// The values of a field; `None` if the field is not there.
    pub(super) fn values(&self, var: &str) -> Option<&[String]> {
        self.fields.get(var).map(Vec::as_slice)
    }

    /// The first value of a field.
    pub(super) fn value(&self, var: &str) -> Option<&str> {
        self.values(var)?.first().map(String::as_str)
    }
}

/// An empty form of this FORM_TYPE; `type_` is `form` or `result`.
pub(super) fn form(type_: &str, form_type: &str) -> Element {
    Element::new("x", ns::DATA_FORMS)
        .with_attr("type", type_)
        .with_child(field("FORM_TYPE", "hidden", "", [form_type]))
}

/// One field with its values; no label if it is empty.
pub(super) fn field<'a>(
    var: &str,
    type_: &str,
    label: &str,
    values: impl IntoIterator<Item = &'a str>,
) -> Element {
    let mut field = Element::new("field", ns::DATA_FORMS)
        .with_attr("var", var)
        .with_attr("type", type_);
    if !label.is_empty() {
        field.set_attr("label", label);
    }
    for value in values {
        field.push(Element::new("value", ns::DATA_FORMS).with_text(value));
    }
    field
}

/// The field of a form that chooses among `options`.
pub(super) fn with_options(mut field: Element, options: &[(&str, &str)]) -> Element {
    for (value, label) in options {
        field.push(
            Element::new("option", ns::DATA_FORMS)
                .with_attr("label", *label)
                .with_child(Element::new("value", ns::DATA_FORMS).with_text(value)),
        );
    }
    field
}

/// Reads a boolean (XEP-0004 §3.3).
pub(super) fn boolean(value: &str) -> Option<bool> {
    match value.trim() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

/// Writes a boolean.
pub(super) fn flag(is: bool) -> &'static str {
    if is { "1" } else { "0" }
}
