//! The console page: one HTML page inside the binary, which loads nothing from other servers.

use crate::protocol::Response;

/// The page, the same for all channels: its script finds the channel in the page's address.
const PAGE: &str = include_str!("index.html");

/// Restricts the page: it may run its own script and style, which are named by their SHA-256 (a
/// test compares them), and connect to the server that sent it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; \
    script-src 'sha256-iQOsZ79IIOWLM3r2VyrnBmHWzN7oEUVn7qr8V63QGMg='; \
    style-src 'sha256-GvhvxBQlw/WTksi5pGVyhvBcRP8SwvaqOkGrUq10Mro='; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn page() -> Response {
    Response::html(200, PAGE)
        .header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        .header("X-Content-Type-Options", "nosniff")
        .header("Referrer-Policy", "no-referrer")
        .header("Cache-Control", "no-cache")
        .header("Vary", "Accept")
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_policy_allows_the_script_and_the_style_of_the_page() {
        for element in ["script", "style"] {
            let (open, close) = (format!("<{element}>"), format!("</{element}>"));
            let (_, rest) = PAGE.split_once(&open).unwrap();
            let (content, rest) = rest.split_once(&close).unwrap();
            let hash = base64::prelude::BASE64_STANDARD.encode(Sha256::digest(content));
            let allowed = format!("{element}-src 'sha256-{hash}'");
            assert!(CONTENT_SECURITY_POLICY.contains(&allowed), "the policy must have {allowed}");
            assert!(!rest.contains(&open), "there is one {element}");
        }
    }

    #[test]
    fn the_page_loads_nothing() {
        for part in ["src=", " url(", "@import", "style=", "onclick="] {
            assert!(!PAGE.contains(part), "{part}");
        }
        assert_eq!(PAGE.matches("href=").count(), PAGE.matches("href=\"data:").count());
    }
}
