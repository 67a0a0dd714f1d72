//! The seconds of a report as CSV (RFC 4180, but lines end with `\n`), one line each. A value that
//! was not measured is an empty field.
use serde_json::Value as Json;

const COLUMNS: [&str; 10] = [
    "second",
    "phase",
    "open",
    "sent",
    "delivered",
    "p50_ns",
    "p99_ns",
    "max_ns",
    "loadgen_share",
    "server_share",
];

pub(crate) fn render(report: &Json) -> String {
    let mut out = COLUMNS.join(",");
    out.push('\n');
    for second in report["seconds"].as_array().into_iter().flatten() {
        let fields: Vec<String> = COLUMNS.iter().map(|column| field(&second[*column])).collect();
        out.push_str(&fields.join(","));
        out.push('\n');
    }
    out
}

fn field(value: &Json) -> String {
    let text = match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => value.to_string(),
    };
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn absent_is_empty_and_odd_text_is_quoted() {
        let second =
            json!({ "second": 0, "phase": "a,\"b\"", "p50_ns": null, "server_share": 0.5 });
        let report = json!({ "seconds": [second] });
        assert_eq!(render(&report).lines().nth(1), Some("0,\"a,\"\"b\"\"\",,,,,,,,0.5"));
    }
}
