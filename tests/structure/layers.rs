//! The rule of the layers: a layer imports only from layers below it. The table is that of
//! ARCHITECTURE.md.

use std::fs;
use std::path::{Path, PathBuf};

/// Each layer, and the other layers from which it may import.
const LAYERS: [(&str, &[&str]); 12] = [
    ("instant", &[]),
    ("ip_network", &[]),
    ("slot_lists", &[]),
    ("split_mix", &[]),
    ("units", &[]),
    ("work", &[]),
    ("protocol", &[]),
    ("net", &["instant", "split_mix", "work"]),
    ("hub", &["instant", "protocol", "slot_lists", "split_mix", "work"]),
    ("transport", &["net", "protocol", "work"]),
    (
        "reactor",
        &["hub", "instant", "ip_network", "net", "protocol", "slot_lists", "transport", "work"],
    ),
    ("server", &["hub", "instant", "ip_network", "net", "protocol", "reactor"]),
];

/// A word or a sign in the text of a source file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token<'t> {
    Word(&'t str),
    Sign(char),
}

#[test]
fn layers_name_only_what_stands_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults = Vec::new();
    let mut seen = Vec::new();
    for file in sources(&root.join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(root.join("src")).unwrap().to_string_lossy().into_owned();
        faults.extend(check(&path, &text).into_iter().map(|fault| format!("src/{path}: {fault}")));
        seen.push(path);
    }
    for file in sources(&root.join("loadgen/src")) {
        let text = fs::read_to_string(&file).unwrap();
        let named = roots(&tokens(&text), "fanfare");
        let foreign = named.iter().filter(|name| !["protocol", "units"].contains(name));
        faults.extend(
            foreign.map(|name| format!("{}: loadgen names fanfare::{name}", file.display())),
        );
    }
    assert_eq!(faults, Vec::<String>::new());
    for (layer, _) in LAYERS {
        assert!(seen.iter().any(|path| path.starts_with(layer)), "there is no layer {layer}");
    }
}

#[test]
fn a_planted_violation_is_found() {
    for (file, text) in [
        ("protocol/frame.rs", "use crate::instant::Instant;"),
        ("net", "use crate::{instant::Instant, protocol::Message};"),
        ("hub", "fn f(token: crate::net::Token) {}"),
        ("hub", "mod tests {\n use crate :: reactor;\n}"),
        ("transport", "use crate::{\n    net::Net,\n    hub::{Hub, Owner},\n};"),
        ("reactor", "pub use crate::server::Server;"),
        ("server", "use mio::Poll;"),
        ("server", "use crate::cli;"),
        ("reactor", "extern crate mio;"),
        ("hub/log.rs", "use super::super::net::Token;"),
        ("hub/mod.rs", "use super::net::Token;"),
        ("hub/log.rs", "mod tests { use super::super::super::net::Token; }"),
        ("cli", "use fanfare::reactor::Reactor;"),
        ("cli", "use crate::hub::Hub;"),
        ("units", "use crate::instant::Instant;"),
        ("hub", "use crate::units::parse_size;"),
        ("protocol", "use crate::*;"),
        ("hub", "use crate::Server;"),
        ("reactor", "use crate as all;"),
    ] {
        assert!(!check(file, text).is_empty(), "{file}: {text}");
    }
}

#[test]
fn what_is_allowed_is_not_found() {
    for (file, text) in [
        (
            "protocol/handshake/mod.rs",
            "use super::server; use crate::protocol::Message; // not crate::net\n\
             /* crate::net */ const TEXT: &str = \"crate::net\";",
        ),
        ("net", "use mio::Poll; use crate::{instant::Instant, net::Token};"),
        (
            "hub/log.rs",
            "use super::segment::Segment; const QUOTE: char = '\"'; \
             use crate::protocol::{Message, MessageKind};",
        ),
        (
            "server/builder.rs",
            "use super::Server; pub(crate) fn f<'a>(name: &'a str) {} use crate::net::MioNet;",
        ),
        (
            "cli",
            "use fanfare::{Server, protocol::Message, CloseCode as Code}; use crate::cli::run;",
        ),
        ("reactor", "const MIO: &str = r#\"mio \"crate::server\" \"#;"),
        ("hub/log.rs", "mod tests { use super::super::segment::Segment; } struct Log {}"),
        ("hub", "pub(crate) struct Cursor; pub(in crate::hub) fn f() {}"),
    ] {
        assert_eq!(check(file, text), Vec::<String>::new(), "{file}: {text}");
    }
}

/// Returns the forbidden names in a file. `file` is its path below `src`; the first part of it is
/// the layer.
fn check(file: &str, text: &str) -> Vec<String> {
    let file = file.trim_end_matches(".rs").trim_end_matches("/mod");
    let (layer, file_depth) = (file.split('/').next().unwrap_or(file), file.split('/').count());
    let tokens = tokens(text);
    let mut faults = Vec::new();
    if layer != "net" && tokens.contains(&Token::Word("mio")) {
        faults.push("mio is named".to_owned());
    }
    let in_crate = roots(&tokens, "crate");
    let allowed = LAYERS.iter().find(|(name, _)| *name == layer).map(|(_, allowed)| *allowed);
    let may_name = |name: &str| match (layer, allowed) {
        // The roots of the library and of the command may name every layer, because they put the
        // program together.
        ("lib" | "main", _) => true,
        (_, Some(allowed)) => name == layer || allowed.contains(&name) || is_own_part(layer, name),
        (_, None) => name == layer,
    };
    faults.extend(
        in_crate
            .iter()
            .filter(|name| !may_name(name))
            .map(|name| format!("crate::{name} is named")),
    );
    if layer == "cli" {
        let named = roots(&tokens, "fanfare");
        // The types that the library exports at its root, the protocol, which other programs may
        // use too, and the units, which the commands share.
        let is_public = |name: &str| {
            ["protocol", "units"].contains(&name) || name.starts_with(char::is_uppercase)
        };
        faults.extend(
            named
                .iter()
                .filter(|name| !is_public(name))
                .map(|name| format!("fanfare::{name} is named")),
        );
    }
    if allowed.is_some() && escapes(&tokens, file_depth) {
        faults.push("the root of the crate is reached by super".to_owned());
    }
    faults
}

/// The types of the server are exported at the root of the library, and its tests may use them by
/// these paths.
fn is_own_part(layer: &str, name: &str) -> bool {
    layer == "server" && name.starts_with(char::is_uppercase)
}

/// Returns true if a path with `super` leads out of the layer. The file is this many modules below
/// the crate's root.
fn escapes(tokens: &[Token<'_>], file_depth: usize) -> bool {
    // For each open brace, true if it begins a module of this file.
    let mut braces = Vec::new();
    let mut supers = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Word("super") => {
                supers += 1;
                let inline = braces.iter().filter(|is_module| **is_module).count();
                if supers >= file_depth + inline {
                    return true;
                }
            }
            Token::Sign(':') => {}
            Token::Sign('{') => {
                braces.push(matches!(tokens[..at], [.., Token::Word("mod"), Token::Word(_)]));
            }
            Token::Sign('}') => drop(braces.pop()),
            Token::Word(_) | Token::Sign(_) => supers = 0,
        }
    }
    false
}

/// Returns the first name after `start::`; of a group in braces, the first name of each path.
fn roots<'t>(tokens: &[Token<'t>], start: &str) -> Vec<&'t str> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        if tokens[at] != Token::Word(start) || at > 0 && tokens[at - 1] == Token::Word("mod") {
            continue;
        }
        let behind = match &tokens[at + 1..] {
            [Token::Sign(':'), Token::Sign(':'), behind @ ..] => behind,
            // `use crate as all` is reported, because every path could be hidden behind such a
            // name.
            [Token::Word("as"), ..] => {
                found.push("*");
                continue;
            }
            _ => continue,
        };
        match behind {
            [Token::Word(name), ..] => found.push(*name),
            [Token::Sign('*'), ..] => found.push("*"),
            [Token::Sign('{'), group @ ..] => found.extend(heads(group)),
            _ => {}
        }
    }
    found
}

/// Returns the first name of each path in a group whose opening brace has been read.
fn heads<'t>(group: &[Token<'t>]) -> Vec<&'t str> {
    let (mut depth, mut at_start, mut heads) = (0, true, Vec::new());
    for token in group {
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') if depth == 0 => break,
            Token::Sign('}') => depth -= 1,
            Token::Sign(',') if depth == 0 => at_start = true,
            Token::Sign('*') if depth == 0 && at_start => heads.push("*"),
            Token::Word(name) if depth == 0 && at_start => {
                heads.push(*name);
                at_start = false;
            }
            Token::Word(_) | Token::Sign(_) => {}
        }
    }
    heads
}

/// Returns the words and signs of a source text, without comments, strings and characters.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if let Some(length) = literal_bytes(rest) {
            rest = &rest[length..];
        } else if first == '_' || first.is_alphanumeric() {
            let end =
                rest.find(|one: char| one != '_' && !one.is_alphanumeric()).unwrap_or(rest.len());
            tokens.push(Token::Word(&rest[..end]));
            rest = &rest[end..];
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Sign(first));
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    tokens
}

/// Returns the length of the string or character literal at the start of the text, if there is one.
fn literal_bytes(text: &str) -> Option<usize> {
    let raw = text.trim_start_matches('b').strip_prefix('r');
    if let Some(hashes) = raw.map(|raw| raw.len() - raw.trim_start_matches('#').len())
        && let Some(body) = raw.and_then(|raw| raw[hashes..].strip_prefix('"'))
    {
        let end = format!("\"{}", "#".repeat(hashes));
        let length = body.find(&end).map_or(body.len(), |at| at + end.len());
        return Some(text.len() - body.len() + length);
    }
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let mut escaped = false;
    for (at, one) in text.char_indices().skip(1) {
        match one {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            // A lifetime begins with a quote like a character, but has none at its end.
            _ if quote == '\'' && at == 1 && !text[1 + one.len_utf8()..].starts_with('\'') => {
                return None;
            }
            _ if one == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    assert!(!files.is_empty(), "{} holds no source", folder.display());
    files
}
