//! PLAIN (RFC 4616): authorization identity, name and password, with a NUL
//! between them.

use super::Failure;

#[derive(Debug, PartialEq)]
pub struct Login<'a> {
    pub authzid: Option<&'a str>,
    pub name: &'a str,
    pub password: &'a str,
}

impl<'a> Login<'a> {
    pub fn parse(message: &'a str) -> Result<Self, Failure> {
        let mut parts = message.split('\0');
        let (Some(authzid), Some(name), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Failure::MalformedRequest);
        };
        if name.is_empty() || password.is_empty() {
            return Err(Failure::MalformedRequest);
        }
        Ok(Self {
            authzid: (!authzid.is_empty()).then_some(authzid),
            name,
            password,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let tim = Login::parse("\0tim\0tanstaaftanstaaf").unwrap();
        assert_eq!((tim.authzid, tim.name), (None, "tim"));
        assert_eq!(tim.password, "tanstaaftanstaaf");
        let kurt = Login::parse("Ursel\0Kurt\0xipj3plmq").unwrap();
        assert_eq!((kurt.authzid, kurt.name), (Some("Ursel"), "Kurt"));
    }

    #[test]
    fn too_few_parts_too_many_or_empty_ones_are_malformed() {
        for message in ["", "a", "\0a", "\0a\0", "\0\0b", "\0a\0b\0c"] {
            assert_eq!(Login::parse(message), Err(Failure::MalformedRequest));
        }
    }
}
