//! Custom events: text messages of the form `{"event":"name","data":…}`. They are a convention; the
//! protocol does not know them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A custom event, borrowed from the text of a message. `data` is the unparsed JSON text.
#[derive(Debug)]
pub(crate) struct CustomEvent<'m> {
    pub(crate) name: Cow<'m, str>,
    pub(crate) data: Option<&'m RawValue>,
}

impl<'m> CustomEvent<'m> {
    /// Parses a message as a custom event; `None` if it is not one. Members other than `event` and
    /// `data` are ignored.
    pub(crate) fn parse(text: &'m str) -> Option<CustomEvent<'m>> {
        // A cheap check first: most messages are not custom events.
        if !text.trim_start().starts_with('{') {
            return None;
        }
        serde_json::from_str(text).ok()
    }
}

/// Written by hand, so that a program that embeds the library need not build the derive macros.
impl<'de> Deserialize<'de> for CustomEvent<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CustomEvent<'de>, D::Error> {
        deserializer.deserialize_map(EventVisitor)
    }
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = CustomEvent<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a custom event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CustomEvent<'de>, A::Error> {
        let (mut name, mut data) = (None, None);
        while let Some(Text(member)) = map.next_key()? {
            match &*member {
                "event" if name.is_none() => name = Some(map.next_value::<Text<'de>>()?.0),
                "data" if data.is_none() => data = Some(map.next_value()?),
                "event" => return Err(Error::duplicate_field("event")),
                "data" => return Err(Error::duplicate_field("data")),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let name = name.ok_or_else(|| Error::missing_field("event"))?;
        Ok(CustomEvent { name, data: data.flatten() })
    }
}

/// A JSON string, borrowed unless it has escapes.
struct Text<'m>(Cow<'m, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'de>, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

/// Returns the text of a custom event, to be sent or published: `{"event":"name","data":…}`.
///
/// ```
/// assert_eq!(fanfare::event("joined", &"Ada".into()), r#"{"event":"joined","data":"Ada"}"#);
/// ```
#[must_use]
pub fn event(name: &str, data: &serde_json::Value) -> String {
    // Written in two parts, so that neither a map nor a copy of the data is needed.
    format!(r#"{{"event":{},"data":{data}}}"#, serde_json::Value::from(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_name_and_maybe_data() {
        let text = r#" {"event":"move \"up\"","data":{"x":1}}"#;
        let event = CustomEvent::parse(text).unwrap();
        assert_eq!((&*event.name, event.data.unwrap().get()), ("move \"up\"", r#"{"x":1}"#));
        assert!(CustomEvent::parse(r#"{"event":"ping"}"#).unwrap().data.is_none());
        assert!(CustomEvent::parse(r#"{"id":7,"event":"ping"}"#).is_some());
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
            assert!(CustomEvent::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let text = event("a \"b\"\n", &serde_json::json!({"x": [1, null]}));
        let event = CustomEvent::parse(&text).unwrap();
        assert_eq!((&*event.name, event.data.unwrap().get()), ("a \"b\"\n", r#"{"x":[1,null]}"#));
    }
}
