//! The console page: one HTML page inside the binary, which loads nothing from other servers. Its
//! parts are the other files of this folder, and are put together when the server is compiled.

use crate::protocol::Response;

/// The page, the same for all channels: its script finds the channel in the page's address.
const PAGE: &str = concat!(
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<style>\n",
    include_str!("console.css"),
    "</style>\n",
    include_str!("index.html"),
    "<script type=\"module\">\n",
    include_str!("page.js"),
    include_str!("plot.js"),
    include_str!("channels.js"),
    include_str!("overview.js"),
    include_str!("messages.js"),
    include_str!("channel.js"),
    "</script>\n",
);

/// Restricts the page: it may run its own script and style, which are named by their SHA-256 (a
/// test compares them), and connect to the server that sent it. Its script can make no HTML of a
/// text.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; \
    script-src 'sha256-SjEfTH5BdXSOYj1hgZHsNB9PDgZBD2rBBIKIc/zimDo='; \
    style-src 'sha256-hCmLRkyhLJcxnY0gNlaLDCUxWHFlO88A1OubLWBWcxw='; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

pub(crate) fn page() -> Response {
    Response::html(200, PAGE)
        .header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        .header("X-Content-Type-Options", "nosniff")
        .header("Referrer-Policy", "no-referrer")
        .header("Cross-Origin-Opener-Policy", "same-origin")
        .header("Cross-Origin-Resource-Policy", "same-origin")
        .header("Cache-Control", "no-cache")
        .header("Vary", "Accept")
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use sha2::{Digest, Sha256};

    use super::*;

    /// The page may grow, but it is sent to whoever opens a channel in a browser.
    const PAGE_BYTES_MAX: usize = 71_680;

    #[test]
    fn the_policy_allows_the_script_and_the_style_of_the_page() {
        for (element, start) in [("script", "<script type=\"module\">"), ("style", "<style>")] {
            let (_, rest) = PAGE.split_once(start).unwrap();
            let (content, rest) = rest.split_once(&format!("</{element}>")).unwrap();
            let hash = base64::prelude::BASE64_STANDARD.encode(Sha256::digest(content));
            let allowed = format!("{element}-src 'sha256-{hash}'");
            assert!(CONTENT_SECURITY_POLICY.contains(&allowed), "the policy must have {allowed}");
            assert!(!rest.contains(&format!("<{element}")), "there is one {element}");
        }
    }

    #[test]
    fn the_page_loads_nothing() {
        for part in ["src=", " url(", "@import", "import ", "style=", "onclick=\""] {
            assert!(!PAGE.contains(part), "{part}");
        }
        for (at, _) in PAGE.match_indices("href=") {
            let target = &PAGE[at + "href=".len()..];
            let is_own = ["\"data:", "\"/\"", "\"#"].iter().any(|own| target.starts_with(own));
            assert!(is_own, "{target:.40}");
        }
        assert!(PAGE.len() <= PAGE_BYTES_MAX, "{} bytes", PAGE.len());
    }
}
