//! The command line as it was given, to be shown: quoted for a shell, and without secrets.
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, CommandFactory as _};

use crate::cli::command::Cli;

/// Flags that may hold a secret. Reports do not contain them, because reports are shown to others.
const SECRET_FLAGS: [&str; 2] = ["headers", "bearer"];
/// Flags that say how to connect. The command that `check` suggests to run next has them too.
const CONNECTION_FLAGS: [&str; 7] =
    ["source_ip", "subprotocols", "origin", "insecure", "cacert", "binary", "server_pid"];

/// Returns the flags of a scenario, without those that may hold a secret.
fn flags_of(scenario: &str) -> Vec<Arg> {
    let cli = Cli::command();
    let flags = cli.find_subcommand(scenario).into_iter().flat_map(clap::Command::get_arguments);
    flags.filter(|flag| !SECRET_FLAGS.contains(&flag.get_id().as_str())).cloned().collect()
}

fn is_given(values: &ArgMatches, id: &str) -> bool {
    values.value_source(id) == Some(ValueSource::CommandLine)
}

/// Returns all flags with their values, given or by default, without those that may be secret and
/// defaults that another flag has replaced.
pub(crate) fn settings(scenario: &str, values: &ArgMatches) -> Vec<(String, String)> {
    let flags = flags_of(scenario);
    let replaced = replaced(scenario, values);
    let ids = flags
        .iter()
        .map(|flag| flag.get_id().as_str())
        .filter(|id| *id != "url" && !replaced.iter().any(|other| other == id));
    ids.filter_map(|id| {
        let words = values.try_get_raw(id).ok()??;
        let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        Some((id.replace('_', "-"), words.join(" ")))
    })
    .collect()
}

/// Returns the flags that cannot be given together with one that is given.
fn replaced(scenario: &str, values: &ArgMatches) -> Vec<String> {
    let cli = Cli::command();
    let Some(scenario) = cli.find_subcommand(scenario) else { return Vec::new() };
    let given = scenario.get_arguments().filter(|flag| is_given(values, flag.get_id().as_str()));
    given
        .flat_map(|flag| scenario.get_arg_conflicts_with(flag))
        .map(|other| other.get_id().to_string())
        .collect()
}

/// Returns the name under which this program was started, for a shell.
pub(crate) fn program() -> String {
    let name = std::env::args_os().next().unwrap_or_else(|| "loadgen".into());
    quoted(&name.to_string_lossy())
}

/// Returns the command that repeats a run, without its secrets.
pub(crate) fn repeated(program: &str, scenario: &str, url: &str, values: &ArgMatches) -> String {
    let mut words = vec![program.to_owned(), scenario.to_owned(), quoted(url)];
    words.extend(words_of(scenario, values, |_| true));
    words.join(" ")
}

/// Returns the given flags that say how to connect, each after a space.
pub(crate) fn connection_flags(scenario: &str, values: &ArgMatches) -> String {
    let words = words_of(scenario, values, |id| CONNECTION_FLAGS.contains(&id));
    words.into_iter().map(|word| format!(" {word}")).collect()
}

/// Returns a sentence for the reader of a shown command, if it lacks a flag that may be secret.
pub(crate) fn omission(values: &ArgMatches) -> Option<String> {
    let omitted: Vec<&str> = [("headers", "--header"), ("bearer", "--bearer")]
        .into_iter()
        .filter(|(id, _)| is_given(values, id))
        .map(|(_, name)| name)
        .collect();
    let names = omitted.join(" and ");
    (!omitted.is_empty())
        .then(|| format!("to run the command again, add {names}, which may be secret"))
}

fn words_of(scenario: &str, values: &ArgMatches, is_wanted: fn(&str) -> bool) -> Vec<String> {
    let mut words = Vec::new();
    for flag in flags_of(scenario) {
        let id = flag.get_id().as_str();
        let is_shown = is_wanted(id) && is_given(values, id);
        let Some(name) = flag.get_long().filter(|_| is_shown) else { continue };
        if matches!(flag.get_action(), ArgAction::SetTrue) {
            words.push(format!("--{name}"));
            continue;
        }
        let given = values.get_raw_occurrences(id).into_iter().flatten().flatten();
        words.extend(given.map(|word| {
            let word = word.to_string_lossy();
            // A word that begins with a hyphen would be taken for a flag.
            let separator = if word.starts_with('-') { '=' } else { ' ' };
            format!("--{name}{separator}{}", quoted(&word))
        }));
    }
    words
}

/// Quotes a word so that a shell reads it as one word.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,%+=".contains(c);
    // A shell may take a word that begins with `=` for the path of a command.
    if !word.is_empty() && word.chars().all(is_plain) && !word.starts_with('=') {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(line: &[&str]) -> ArgMatches {
        Cli::command().get_matches_from(line)
    }

    #[test]
    fn the_command_has_what_was_given_and_no_secret() {
        let line = [
            "loadgen",
            "broadcast",
            "ws://h/x?a=1&b=2",
            "--rate",
            "5",
            "-kH",
            "Authorization:secret",
            "--bearer",
            "secret",
            "--threshold",
            "lost<3",
            "--binary",
            "--label=-x y",
        ];
        let matches = matches(&line);
        let (name, flags) = matches.subcommand().unwrap();
        assert_eq!(
            repeated("./loadgen", name, "ws://h/x?a=1&b=2", flags),
            "./loadgen broadcast 'ws://h/x?a=1&b=2' --rate 5 --insecure --binary \
             --threshold 'lost<3' --label='-x y'"
        );
        assert!(settings(name, flags).iter().all(|(_, value)| !value.contains("secret")));
        assert_eq!(connection_flags(name, flags), " --insecure --binary");
        assert!(omission(flags).unwrap().contains("--header and --bearer"));
    }

    #[test]
    fn a_default_that_was_replaced_is_no_setting() {
        let names = |line: &[&str]| -> Vec<String> {
            let matches = matches(line);
            let (name, flags) = matches.subcommand().unwrap();
            settings(name, flags).into_iter().map(|(name, _)| name).collect()
        };
        let replaced = names(&["loadgen", "broadcast", "ws://h/", "-c", "5"]);
        assert!(replaced.iter().any(|name| name == "connections"));
        assert!(replaced.iter().all(|name| name != "subscribers"));
        let usual = names(&["loadgen", "broadcast", "ws://h/"]);
        assert!(usual.iter().any(|name| name == "subscribers"));
    }

    #[test]
    fn nothing_is_said_to_be_left_out_if_nothing_is() {
        let matches = matches(&["loadgen", "hold", "ws://h/", "-d", "5"]);
        let (name, flags) = matches.subcommand().unwrap();
        assert_eq!(
            repeated("loadgen", name, "ws://h/", flags),
            "loadgen hold ws://h/ --duration 5"
        );
        assert_eq!(omission(flags), None);
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_see_more_in_them() {
        for (word, expected) in [
            ("16..1k", "16..1k"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("=ls", "'=ls'"),
            ("~", "'~'"),
            ("ws://[::1]:80/", "'ws://[::1]:80/'"),
            ("$(x)", "'$(x)'"),
            ("stra\u{df}e", "'stra\u{df}e'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
