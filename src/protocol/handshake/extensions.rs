//! The header Sec-WebSocket-Extensions (RFC 6455 section 9.1).
//!
//! ```text
//! extension-list  = 1#extension
//! extension       = token *( ";" extension-param )
//! extension-param = token [ "=" (token | quoted-string) ]
//! ```
//!
//! White space is allowed between any two parts. A list may have empty elements (RFC 9110 section
//! 5.6.1.2); one that has no other names no extension.

use crate::protocol::http::is_token_byte;

/// The header is not as RFC 6455 section 9.1 demands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtensionsMalformed;

/// One extension that the header names, with its parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extension<'a> {
    pub(crate) name: &'a str,
    /// The parameters, with the `;` before each. They have been parsed once without an error.
    params: &'a str,
}

impl<'a> Extension<'a> {
    /// Returns the name and value of each parameter.
    pub(crate) fn params(&self) -> impl Iterator<Item = (&'a str, Option<ParamValue<'a>>)> {
        let mut parser = Parser { rest: self.params };
        std::iter::from_fn(move || parser.param().ok().flatten())
    }
}

/// The value of a parameter: a token, which may have been sent in quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ParamValue<'a> {
    /// As it was sent, without the quotes. A backslash before a character has no meaning.
    sent: &'a str,
}

impl<'a> ParamValue<'a> {
    /// Returns the characters of the token.
    pub(crate) fn bytes(self) -> impl Iterator<Item = u8> + 'a {
        // A token has no backslash.
        self.sent.bytes().filter(|byte| *byte != b'\\')
    }
}

/// Returns the extensions that the lines of the header name, in their order. After an error there
/// is nothing more.
pub(crate) fn extensions<'a>(
    lines: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = Result<Extension<'a>, ExtensionsMalformed>> {
    lines.flat_map(|line| {
        let mut parser = Parser { rest: line };
        std::iter::from_fn(move || parser.next_extension().transpose())
    })
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn next_extension(&mut self) -> Result<Option<Extension<'a>>, ExtensionsMalformed> {
        self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
        if self.rest.is_empty() {
            return Ok(None);
        }
        let extension = self.extension();
        if extension.is_err() {
            self.rest = "";
        }
        extension.map(Some)
    }

    fn extension(&mut self) -> Result<Extension<'a>, ExtensionsMalformed> {
        let name = self.token()?;
        let before = self.rest;
        while self.param()?.is_some() {}
        let params = &before[..before.len() - self.rest.len()];
        self.skip_space();
        if self.rest.is_empty() || self.rest.starts_with(',') {
            Ok(Extension { name, params })
        } else {
            Err(ExtensionsMalformed)
        }
    }

    /// Takes the next parameter of this extension. Returns `None` if there is none.
    #[allow(clippy::type_complexity, reason = "a pair of the name and the value")]
    fn param(&mut self) -> Result<Option<(&'a str, Option<ParamValue<'a>>)>, ExtensionsMalformed> {
        if !self.takes(';') {
            return Ok(None);
        }
        self.skip_space();
        let name = self.token()?;
        if !self.takes('=') {
            return Ok(Some((name, None)));
        }
        self.skip_space();
        let sent = if self.takes('"') { self.rest_of_quoted()? } else { self.token()? };
        Ok(Some((name, Some(ParamValue { sent }))))
    }

    fn token(&mut self) -> Result<&'a str, ExtensionsMalformed> {
        let end = self.rest.bytes().position(|byte| !is_token_byte(byte));
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        if token.is_empty() { Err(ExtensionsMalformed) } else { Ok(token) }
    }

    /// Takes the rest of a quoted string. Section 9.1: "the value after quoted-string unescaping
    /// MUST conform to the 'token' ABNF."
    fn rest_of_quoted(&mut self) -> Result<&'a str, ExtensionsMalformed> {
        let (start, mut escaped) = (self.rest, false);
        for (at, byte) in start.bytes().enumerate() {
            match byte {
                b'"' if !escaped && at > 0 => {
                    self.rest = &start[at + 1..];
                    return Ok(&start[..at]);
                }
                b'\\' if !escaped => escaped = true,
                byte if is_token_byte(byte) => escaped = false,
                _ => break,
            }
        }
        Err(ExtensionsMalformed)
    }

    /// Takes white space, and this character if it is next.
    fn takes(&mut self, wanted: char) -> bool {
        let rest = self.rest.trim_start_matches([' ', '\t']).strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }
}

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
