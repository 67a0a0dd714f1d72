//! The Prometheus text format, version 0.0.4, made from OpenMetrics text, for scrapers that do not
//! speak OpenMetrics. <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::Write as _;

use super::request_rules::media_type;

/// The media type of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Returns true if a client prefers this format to OpenMetrics; `accept` are the values of its
/// Accept headers (RFC 9110 section 12.5.1).
pub(crate) fn is_preferred(accept: &[&str]) -> bool {
    quality(accept, "text/plain") > quality(accept, "application/openmetrics-text")
}

/// Returns the weight that a client gives to a media type, in thousandths: that of the most
/// specific range which covers it.
fn quality(accept: &[&str], wanted: &str) -> u32 {
    let (main, _) = wanted.split_once('/').unwrap_or_default();
    let mut best = (0, 0);
    for range in accept.iter().flat_map(|list| list.split(',')) {
        let kind = media_type(range);
        let specificity = if kind.eq_ignore_ascii_case(wanted) {
            3
        } else if kind
            .split_once('/')
            .is_some_and(|(one, any)| any == "*" && one.eq_ignore_ascii_case(main))
        {
            2
        } else if kind == "*/*" {
            1
        } else {
            continue;
        };
        let parameter = |name: &str| {
            let parameters = range.split(';').skip(1).filter_map(|one| one.split_once('='));
            let mut values = parameters.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
            values.next().map(|(_, value)| value.trim().trim_matches('"'))
        };
        // Other versions of the text format, such as 1.0.0, have another syntax.
        let is_other_version = wanted == "text/plain"
            && parameter("version").is_some_and(|version| version != "0.0.4");
        let weight = parameter("q").map_or(1.0, |q| q.parse().unwrap_or(0.0_f64));
        if !is_other_version {
            best = best.max((specificity, (weight.clamp(0.0, 1.0) * 1000.0) as u32));
        }
    }
    best.1
}

/// Converts a page of OpenMetrics text to this format. Here a metric family has the name of its
/// samples, so that of a counter ends in `_total`; and an info is a gauge, because infos have no
/// type.
pub(crate) fn from_openmetrics(page: &str) -> String {
    let mut text = String::with_capacity(page.len() + page.len() / 8);
    let mut help = None;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            // Writing to a string does not fail.
            if let Some((_, help)) = help.take().filter(|(of, _)| *of == name) {
                let _ = writeln!(text, "# HELP {name}{suffix} {help}");
            }
            let _ = writeln!(text, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_that_which_the_client_prefers() {
        for (accept, is_text) in [
            ("", false),
            ("*/*", false),
            ("text/html,application/xhtml+xml,*/*;q=0.8", false),
            ("text/plain", true),
            ("text/plain;version=0.0.4", true),
            ("TEXT/Plain; Version=0.0.4; q=0.5", true),
            ("text/*", true),
            ("text/plain;version=1.0.0", false),
            ("text/plain;q=0", false),
            ("application/openmetrics-text;q=0.3,text/plain;q=0.5", true),
            ("application/openmetrics-text,text/plain", false),
            // Prometheus 2.
            (
                "application/openmetrics-text;version=1.0.0,\
                 application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                false,
            ),
            // Prometheus 3 that is configured to scrape this format first.
            (
                "text/plain;version=0.0.4;q=0.6,text/plain;version=1.0.0;q=0.5,\
                 application/openmetrics-text;version=1.0.0;q=0.4,*/*;q=0.3",
                true,
            ),
        ] {
            assert_eq!(is_preferred(&[accept]), is_text, "{accept}");
        }
        assert!(is_preferred(&["*/*;q=0.1", "text/plain"]), "two headers are one list");
    }

    #[test]
    fn families_are_named_as_their_samples() {
        let page = "# HELP a_build Which.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n\
                    # HELP a_sends Calls.\n# TYPE a_sends counter\na_sends_total 7\n\
                    # HELP a_bytes Now.\n# TYPE a_bytes gauge\n# UNIT a_bytes bytes\na_bytes 1\n\
                    # EOF\n";
        assert_eq!(
            from_openmetrics(page),
            "# HELP a_build_info Which.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n\
             # HELP a_sends_total Calls.\n# TYPE a_sends_total counter\na_sends_total 7\n\
             # HELP a_bytes Now.\n# TYPE a_bytes gauge\na_bytes 1\n"
        );
    }
}
