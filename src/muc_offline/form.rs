//! The field in the registration form of a room (XEP-0045 §7.10, XEP-0004).

use crate::stanza::{Condition, Element, ElementRef, Stanza, Type, ns};

/// The name of the field.
pub const FIELD: &str = "{http://tigase.org/protocol/muc}offline";

const NICK: &str = "muc#register_roomnick";

/// What an IQ request about registration asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The form.
    Form,
    /// To register, and to get messages while away or not; `None` where the
    /// form does not say.
    Register(Option<bool>),
    /// Not to be registered any more.
    Remove,
    /// Nothing: a form is given up, or it is no form.
    Other,
}

/// Whether a stanza is for [`read`]: a request about registration.
#[inline]
pub(super) fn is_request(stanza: &Stanza) -> bool {
    stanza.is_request() && stanza.mentions(ns::REGISTER)
}

/// Reads a request that [`is_request`].
///
/// 1. XEP-0004 §3.3: a boolean is `1`, `true`, `0` or `false`. Deliberately a
///    field without a value, or with an empty one, is false, as Tigase has it.
/// 2. Nonsense is a bad request, and so is the field more than once, or twice
///    valued: what its author wants is not known, and it is about privacy.
/// 3. What else is wrong with the form is for the room's service to say.
pub(super) fn read(request: &Stanza) -> Result<Ask, Condition> {
    let Some(query) = request.child("query", ns::REGISTER) else {
        return Ok(Ask::Other);
    };
    if request.is_type(&Type::Get) {
        return Ok(Ask::Form);
    }
    if query.has_child("remove", ns::REGISTER) {
        return Ok(Ask::Remove);
    }
    let form = query.child("x", ns::DATA_FORMS);
    let Some(form) = form.filter(|form| form.attr("type") == Some("submit")) else {
        return Ok(Ask::Other);
    };
    let mut fields = form.children().filter(|child| is_ours(*child));
    let value = match (fields.next(), fields.next()) {
        (None, _) => return Ok(Ask::Register(None)),
        (Some(field), None) => value(field)?,
        (Some(_), Some(_)) => return Err(Condition::BadRequest),
    };
    Ok(Ask::Register(Some(value)))
}

/// Takes the field out of a submitted form, so that the room's service sees
/// the form that it made.
pub(super) fn strip(request: &mut Stanza) {
    change_form(request, None);
}

/// Adds the field with its current value to the form in an answer. A service
/// that shows no form to whoever has registered gets one: clients look for
/// the field in it and nowhere else.
pub(super) fn dress(answer: &mut Stanza, wanted: bool) {
    let Some(query) = answer.child("query", ns::REGISTER) else {
        return;
    };
    let field = field("boolean", FIELD, if wanted { "1" } else { "0" })
        .with_attr("label", "Receive messages while away");
    if query.has_child("x", ns::DATA_FORMS) {
        return change_form(answer, Some(field));
    }
    let nick = query.child("username", ns::REGISTER);
    let nick = nick.map(ElementRef::text).unwrap_or_default();
    let form = Element::new("x", ns::DATA_FORMS)
        .with_attr("type", "form")
        .with_child(self::field("hidden", "FORM_TYPE", ns::MUC_REGISTER))
        .with_child(
            self::field("text-single", NICK, &nick)
                .with_child(Element::new("required", ns::DATA_FORMS)),
        )
        .with_child(field);
    let query = query.to_element().with_child(form);
    answer.remove_child("query", ns::REGISTER);
    answer.push(query);
}

/// What the form in an answer says about the one who asked for it; `None` if
/// the room knows nothing of this.
pub(super) fn shown(answer: &Stanza) -> Option<bool> {
    let query = answer.child("query", ns::REGISTER)?;
    let form = query.child("x", ns::DATA_FORMS)?;
    let field = form.children().find(|child| is_ours(*child))?;
    value(field).ok()
}

fn field(type_: &str, var: &str, value: &str) -> Element {
    Element::new("field", ns::DATA_FORMS)
        .with_attr("type", type_)
        .with_attr("var", var)
        .with_child(Element::new("value", ns::DATA_FORMS).with_text(value))
}

fn is_ours(child: ElementRef<'_>) -> bool {
    child.is("field", ns::DATA_FORMS) && child.attr("var") == Some(FIELD)
}

fn value(field: ElementRef<'_>) -> Result<bool, Condition> {
    let mut values = field
        .children()
        .filter(|child| child.is("value", ns::DATA_FORMS));
    match (values.next(), values.next()) {
        (None, _) => Ok(false),
        (Some(value), None) => match value.text().trim() {
            "1" | "true" => Ok(true),
            "" | "0" | "false" => Ok(false),
            _ => Err(Condition::BadRequest),
        },
        (Some(_), Some(_)) => Err(Condition::BadRequest),
    }
}

/// Takes our field out of the form, and puts another in its place.
fn change_form(stanza: &mut Stanza, field: Option<Element>) {
    let Some(query) = stanza.child("query", ns::REGISTER) else {
        return;
    };
    let Some(form) = query.child("x", ns::DATA_FORMS) else {
        return;
    };
    let mut form = copy_without(form, is_ours);
    if let Some(field) = field {
        form.push(field);
    }
    let mut query = copy_without(query, |child| child.is("x", ns::DATA_FORMS));
    query.push(form);
    stanza.remove_child("query", ns::REGISTER);
    stanza.push(query);
}

/// An element with its attributes and children, but for some children.
fn copy_without(element: ElementRef<'_>, drop: impl Fn(ElementRef<'_>) -> bool) -> Element {
    let mut copy = Element::new(element.name(), &element.ns());
    for (_, name, value) in element.attrs() {
        copy.set_attr(name, value);
    }
    for child in element.children().filter(|child| !drop(*child)) {
        copy.push(child.to_element());
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submit(fields: &str) -> Stanza {
        let xml = format!(
            "<iq type='set' id='r'><query xmlns='jabber:iq:register'>\
             <x xmlns='jabber:x:data' type='submit'>{fields}</x></query></iq>"
        );
        Stanza::parse(xml.as_bytes()).unwrap()
    }

    fn ours(values: &str) -> String {
        format!("<field var='{FIELD}'>{values}</field>")
    }

    const NICK_FIELD: &str = "<field var='muc#register_roomnick'><value>Al</value></field>";

    #[test]
    fn every_spelling_of_a_boolean_is_read() {
        for (value, meant) in [("1", true), ("true", true), ("0", false), ("false", false)] {
            let field = ours(&format!("<value>{value}</value>"));
            assert_eq!(read(&submit(&field)), Ok(Ask::Register(Some(meant))));
        }
        for nothing in ["", "<value/>", "<value></value>"] {
            let read = read(&submit(&ours(nothing)));
            assert_eq!(read, Ok(Ask::Register(Some(false))), "{nothing}");
        }
    }

    #[test]
    fn a_form_without_the_field_says_nothing_about_it() {
        assert_eq!(read(&submit(NICK_FIELD)), Ok(Ask::Register(None)));
    }

    #[test]
    fn nonsense_and_repetition_are_bad_requests() {
        let yes = ours("<value>1</value>");
        for fields in [
            ours("<value>perhaps</value>"),
            ours("<value>1</value><value>0</value>"),
            format!("{yes}{yes}"),
        ] {
            assert_eq!(
                read(&submit(&fields)),
                Err(Condition::BadRequest),
                "{fields}"
            );
        }
    }

    #[test]
    fn the_service_sees_the_form_without_the_field_and_with_everything_else() {
        let mut request = submit(&format!("{NICK_FIELD}{}", ours("<value>1</value>")));
        strip(&mut request);
        assert_eq!(request.to_xml(), submit(NICK_FIELD).to_xml());
    }

    #[test]
    fn an_answer_without_a_form_gets_one_with_the_nick() {
        let mut answer = Stanza::parse(
            b"<iq type='result' id='r'><query xmlns='jabber:iq:register'>\
              <registered/><username>Al</username></query></iq>",
        )
        .unwrap();
        dress(&mut answer, true);
        assert_eq!(shown(&answer), Some(true));
        let query = answer.child("query", ns::REGISTER).unwrap();
        assert!(query.has_child("registered", ns::REGISTER));
        assert!(query.to_xml().contains("<value>Al</value>"));
        dress(&mut answer, false);
        assert_eq!(shown(&answer), Some(false));
    }
}
