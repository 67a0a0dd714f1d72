//! Custom events: text messages of the form `{"event":"name","data":…}`, a convention among
//! programs on top of what the protocol knows.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A custom event, borrowed from the text of a message. `data` is JSON that has not been looked
/// into.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Event<'m> {
    #[serde(borrow, rename = "event")]
    pub(crate) name: Cow<'m, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<&'m RawValue>,
}

impl<'m> Event<'m> {
    /// Reads a message as a custom event, if it is one. Other members than these two are ignored.
    pub(crate) fn parse(text: &'m str) -> Option<Event<'m>> {
        // Most messages are none, and this is what tells them at no cost.
        if !text.trim_start().starts_with('{') {
            return None;
        }
        serde_json::from_str(text).ok()
    }
}

/// The text of a custom event, to be sent or published: `{"event":"name","data":…}`.
///
/// ```
/// assert_eq!(fanfare::event("joined", &"Ada".into()), r#"{"event":"joined","data":"Ada"}"#);
/// ```
#[must_use]
pub fn event(name: &str, data: &serde_json::Value) -> String {
    // Written in two parts, so that neither a map nor a copy of the data is made; a string or a
    // value always has a text.
    format!(r#"{{"event":{},"data":{data}}}"#, serde_json::Value::from(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_name_and_maybe_data() {
        let text = r#" {"event":"move \"up\"","data":{"x":1}}"#;
        let event = Event::parse(text).unwrap();
        assert_eq!((&*event.name, event.data.unwrap().get()), ("move \"up\"", r#"{"x":1}"#));
        assert!(Event::parse(r#"{"event":"ping"}"#).unwrap().data.is_none());
        assert!(Event::parse(r#"{"id":7,"event":"ping"}"#).is_some());
    }

    #[test]
    fn other_texts_are_messages() {
        for text in [
            "",
            "hello",
            "[1]",
            "{",
            r#"{"event":7}"#,
            r#"{"data":7}"#,
            r#"{"event":"a"} and more"#,
        ] {
            assert!(Event::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let text = event("a \"b\"\n", &serde_json::json!({"x": [1, null]}));
        let event = Event::parse(&text).unwrap();
        assert_eq!((&*event.name, event.data.unwrap().get()), ("a \"b\"\n", r#"{"x":[1,null]}"#));
    }
}
