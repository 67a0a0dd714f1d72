//! A naive parser of Sec-WebSocket-Extensions, with which the tests compare the real one. It cuts
//! the text into words first, copies everything, and imports nothing, so that the fuzz target can
//! use it too.

/// An extension: its name, and the names and values of its parameters.
pub(super) type NaiveExtension = (String, Vec<(String, Option<String>)>);

/// Returns the extensions of one line of the header, or `None` if it is malformed.
pub(super) fn parse(line: &str) -> Option<Vec<NaiveExtension>> {
    let words = words(line)?;
    words.split(|word| word == ",").filter(|element| !element.is_empty()).map(extension).collect()
}

fn extension(words: &[String]) -> Option<NaiveExtension> {
    let mut parts = words.split(|word| word == ";");
    let [name] = parts.next()? else { return None };
    let params = parts.map(|part| match part {
        [name] => Some((token(name)?, None)),
        [name, equals, value] if equals == "=" => {
            Some((token(name)?, Some(token(value.strip_prefix('"').unwrap_or(value))?)))
        }
        _ => None,
    });
    Some((token(name)?, params.collect::<Option<_>>()?))
}

/// Splits a line at white space and at separators. A quoted string becomes one word that begins
/// with a quote.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' => {}
            ',' | ';' | '=' => words.push(character.to_string()),
            '"' => {
                let mut word = String::from('"');
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => word.push(characters.next()?),
                        other => word.push(other),
                    }
                }
                words.push(word);
            }
            _ => {
                let mut word = String::from(character);
                while let Some(next) = characters.peek()
                    && !" \t,;=\"".contains(*next)
                {
                    word.push(*next);
                    characters.next();
                }
                words.push(word);
            }
        }
    }
    Some(words)
}

fn token(word: &str) -> Option<String> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    (!word.is_empty() && word.chars().all(is_token)).then(|| word.to_owned())
}
