//! What a path stands for: one of the server's own pages, or a channel.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::hub::{ChannelName, ChannelNameError};

/// What the path of a request stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'n> {
    /// `/`, the console page.
    Console,
    /// `/-/healthz`: the process is alive.
    Healthz,
    /// `/-/readyz`: the server accepts new connections.
    Readyz,
    /// `/-/metrics`.
    Metrics,
    /// `/-/channels`, the list of channels.
    Channels,
    /// `/-/echo`, whether it is served or not.
    Echo,
    /// Any other path under `/-/`.
    Reserved,
    /// Everything else.
    Channel(ChannelName<'n>),
}

/// Why a path is neither a page nor a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteError {
    /// A `%` without two hexadecimal digits behind it.
    BadEscape,
    /// The decoded path is not UTF-8.
    NotUtf8,
    /// The decoded path is no channel name.
    Channel(ChannelNameError),
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteError::BadEscape => {
                f.write_str("bad path: a % is followed by two hexadecimal digits (write %25 for %)")
            }
            RouteError::NotUtf8 => {
                f.write_str("bad channel name: the percent-decoded path is not UTF-8")
            }
            RouteError::Channel(error) => write!(f, "bad channel name: {error}"),
        }
    }
}

impl<'n> Route<'n> {
    /// Finds the route of a raw path. `decoded` is a buffer for the name, used if the path has
    /// escapes.
    pub(crate) fn parse(path: &'n str, decoded: &'n mut Vec<u8>) -> Result<Route<'n>, RouteError> {
        let raw = path.strip_prefix('/').unwrap_or(path);
        if let Some(page) = raw.strip_prefix("-/") {
            return Ok(match page {
                "healthz" => Route::Healthz,
                "readyz" => Route::Readyz,
                "metrics" => Route::Metrics,
                "channels" => Route::Channels,
                "echo" => Route::Echo,
                _ => Route::Reserved,
            });
        }
        let name = if raw.contains('%') {
            if !escapes_are_whole(raw) {
                return Err(RouteError::BadEscape);
            }
            decoded.clear();
            decoded.extend(percent_decode_str(raw));
            std::str::from_utf8(decoded).map_err(|_| RouteError::NotUtf8)?
        } else {
            raw
        };
        Ok(match name {
            "" => Route::Console,
            // An escaped spelling of a reserved path, as in "/%2D/metrics", is not served.
            // Otherwise it would get round a proxy that blocks "/-/" by its spelling.
            _ if name.starts_with("-/") => Route::Reserved,
            _ => Route::Channel(ChannelName::parse(name).map_err(RouteError::Channel)?),
        })
    }
}

fn escapes_are_whole(path: &str) -> bool {
    path.split('%').skip(1).all(|after| {
        after.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(path: &str) -> Result<String, RouteError> {
        match Route::parse(path, &mut Vec::new())? {
            Route::Channel(name) => Ok(name.as_str().to_owned()),
            route => panic!("{path} is {route:?}"),
        }
    }

    #[test]
    fn a_channel_is_the_decoded_path_without_its_first_slash() {
        for (path, name) in [
            ("/news", "news"),
            ("/news/uk", "news/uk"),
            ("/news%2Fuk", "news/uk"),
            ("//news", "/news"),
            ("/caf%C3%A9", "caf\u{e9}"),
            ("/100%25", "100%"),
            ("/a+b", "a+b"),
            ("/-", "-"),
            ("/-x/y", "-x/y"),
        ] {
            assert_eq!(channel(path).as_deref(), Ok(name), "{path}");
        }
    }

    #[test]
    fn the_own_pages_are_found_under_their_literal_spelling_alone() {
        let mut decoded = Vec::new();
        for (path, route) in [
            ("/", Route::Console),
            ("/-/healthz", Route::Healthz),
            ("/-/readyz", Route::Readyz),
            ("/-/metrics", Route::Metrics),
            ("/-/channels", Route::Channels),
            ("/-/echo", Route::Echo),
            ("/%2D/metrics", Route::Reserved),
            ("/%2d/healthz", Route::Reserved),
            ("/-%2fmetrics", Route::Reserved),
            ("/-%2Fecho", Route::Reserved),
            ("/-/%6detrics", Route::Reserved),
            ("/-/metrics%", Route::Reserved),
            ("/-/metrics/", Route::Reserved),
            ("/%2d%2fnews", Route::Reserved),
            ("/-/", Route::Reserved),
            ("/-/other", Route::Reserved),
        ] {
            assert_eq!(Route::parse(path, &mut decoded), Ok(route), "{path}");
        }
    }

    #[test]
    fn a_path_that_names_no_channel_is_refused() {
        assert_eq!(channel("/100%"), Err(RouteError::BadEscape));
        assert_eq!(channel("/%2"), Err(RouteError::BadEscape));
        assert_eq!(channel("/%zz"), Err(RouteError::BadEscape));
        assert_eq!(channel("/%\u{e9}1"), Err(RouteError::BadEscape));
        assert_eq!(channel("/%ff"), Err(RouteError::NotUtf8));
        assert!(matches!(channel("/a%00b"), Err(RouteError::Channel(_))));
        assert!(matches!(channel(&format!("/{}", "x".repeat(256))), Err(RouteError::Channel(_))));
    }
}
