//! A secret of a client, a key or a token, that is given directly or in a file.

use std::cmp::Ordering;
use std::path::Path;

use clap::ArgMatches;

use super::{sources, text_file};

/// A secret, and what to call it in an error.
pub(crate) struct GivenSecret {
    pub(crate) text: String,
    pub(crate) called: String,
}

/// Returns the secret that the flags `--KIND` and `--KIND-file` give, or their variables; `None` if
/// none does. `variable` is that of `--KIND`.
pub(crate) fn read(
    matches: &ArgMatches,
    (kind, variable): (&str, &str),
    (direct, path): (Option<&str>, Option<&Path>),
) -> Result<Option<GivenSecret>, String> {
    let order = sources::compare(matches, kind, &format!("{kind}_file"));
    let direct = direct.filter(|_| order != Ordering::Less);
    let path = path.filter(|_| order != Ordering::Greater);
    match (direct, path) {
        (Some(_), Some(_)) => Err(format!(
            "--{kind} and --{kind}-file (or their variables) are two {kind}s: give one"
        )),
        (Some(text), None) => {
            let called = format!("--{kind} (or {variable})");
            Ok(Some(GivenSecret { text: text.to_owned(), called }))
        }
        (None, Some(path)) => {
            let called = format!("the {kind} in {}", path.display());
            let failed = |error| format!("cannot read {called}: {error}");
            let text = text_file::read(path).map_err(failed)?.trim_end().to_owned();
            Ok(Some(GivenSecret { text, called }))
        }
        (None, None) => Ok(None),
    }
}
