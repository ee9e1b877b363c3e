use std::fmt;

use crate::stanza::Stanza;

/// XML text with values put in, for [`Session::send`](super::Session::send)
/// and for expectations.
///
/// The text is a format string: `{name}` takes a variable of the test, so an
/// address is written once.
///
/// ```
/// use tower_xmpp::testkit::{IntoStanza, xml};
///
/// let bob = "bob@b.example";
/// let message = xml!("<message to='{bob}' type='chat'><body>hi</body></message>").into_stanza();
/// assert_eq!(message.to().unwrap().as_str(), "bob@b.example");
/// ```
#[macro_export]
macro_rules! xml {
    ($($text:tt)*) => { $crate::testkit::Xml::new(::std::format!($($text)*)) };
}

/// XML text made by [`xml!`](crate::xml!); parsed where it is used.
#[derive(Clone, Debug)]
pub struct Xml(String);

impl Xml {
    /// Text that is to be XML.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Xml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a session can send.
pub trait IntoStanza {
    /// The stanza.
    ///
    /// # Panics
    /// If it is text and not one well-formed stanza; the panic shows the text.
    #[track_caller]
    fn into_stanza(self) -> Stanza;
}

impl IntoStanza for Stanza {
    fn into_stanza(self) -> Stanza {
        self
    }
}

impl IntoStanza for &Stanza {
    fn into_stanza(self) -> Stanza {
        self.clone()
    }
}

impl IntoStanza for &str {
    #[track_caller]
    fn into_stanza(self) -> Stanza {
        match Stanza::parse(self.as_bytes()) {
            Ok(stanza) => stanza,
            Err(error) => panic!("this is not a stanza ({error}):\n  {self}"),
        }
    }
}

impl IntoStanza for String {
    #[track_caller]
    fn into_stanza(self) -> Stanza {
        self.as_str().into_stanza()
    }
}

impl IntoStanza for Xml {
    #[track_caller]
    fn into_stanza(self) -> Stanza {
        self.as_str().into_stanza()
    }
}
