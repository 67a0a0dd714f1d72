//! The table of origins.

use fanfare::BroadcastOptions;

use super::{Asker, Outcome};
use crate::support::Running;

const YES: bool = true;
const NO: bool = false;

/// Rows for a server that lists origins.
const LISTED: [(&str, bool); 56] = [
    ("https://app.example", YES),
    ("https://app.example:443", YES),
    ("HTTPS://APP.EXAMPLE", YES),
    ("https://App.Example", YES),
    ("http://app.example", NO),
    ("http://app.example:443", NO),
    ("https://app.example:444", NO),
    ("https://app.example:80", NO),
    ("https://app.example:0443", YES),
    ("https://app.example:", NO),
    ("https://app.example:65979", NO),
    ("https://app.example:-443", NO),
    ("https://app.example:443:443", NO),
    ("https://app.example/", NO),
    ("https://app.example/path", NO),
    ("https://app.example?x", NO),
    ("https://app.example#x", NO),
    ("https://app.example.", NO),
    ("https://app.example.evil", NO),
    ("https://app.example.evil.example", NO),
    ("https://app.exampleevil", NO),
    ("https://evilapp.example", NO),
    ("https://evil-app.example", NO),
    ("https://xapp.example", NO),
    ("https://sub.app.example", NO),
    ("https://app.example@evil.example", NO),
    ("https://evil.example@app.example", NO),
    ("https://user:pass@app.example", NO),
    ("https://app.example\\.evil.example", NO),
    ("https://app.example%00.evil.example", NO),
    ("https://app.example%2eevil", NO),
    ("https://app.example,https://evil.example", NO),
    ("https://app.example https://evil.example", NO),
    ("https://evil.example https://app.example", NO),
    ("https:app.example", NO),
    ("https:/app.example", NO),
    ("https:///app.example", NO),
    ("//app.example", NO),
    ("app.example", NO),
    ("wss://app.example", NO),
    ("https+x://app.example", NO),
    ("https://", NO),
    ("https://*", NO),
    ("*", NO),
    ("null", NO),
    ("NULL", NO),
    ("undefined", NO),
    ("file://", NO),
    ("https://a.team.example", YES),
    ("https://a.b.TEAM.example", YES),
    ("https://team.example", NO),
    ("https://.team.example", NO),
    ("https://ateam.example", NO),
    ("https://a.team.example.evil", NO),
    ("https://xn--bcher-kva.example", YES),
    ("http://localhost:3000", YES),
];

/// Further rows for that server: look-alikes in other scripts, addresses, and what is left.
const LOOKALIKES: [(&str, bool); 14] = [
    ("https://b\u{fc}cher.example", NO),
    ("https://\u{430}pp.example", NO),
    ("https://app\u{3002}example", NO),
    ("https://app.ex\u{e4}mple", NO),
    ("https://xn--pp-7ka.example", NO),
    ("http://localhost", NO),
    ("http://localhost:3001", NO),
    ("https://localhost:3000", NO),
    ("http://127.0.0.1:3000", NO),
    ("http://[::1]:3000", NO),
    ("http://localhost:3000.evil.example", NO),
    ("chrome-extension://abcdefghijklmnop", NO),
    ("https://app.example\u{7f}", NO),
    ("https://[app.example]", NO),
];

/// Rows for a server without a list, asked as `localhost:8080`.
const SAME: [(&str, bool); 16] = [
    ("http://localhost:8080", YES),
    ("https://localhost:8080", YES),
    ("http://LOCALHOST:8080", YES),
    ("http://localhost", NO),
    ("http://localhost:80", NO),
    ("http://localhost:8081", NO),
    ("http://localhost:08080x", NO),
    ("http://localhost.:8080", NO),
    ("http://127.0.0.1:8080", NO),
    ("http://localhost.evil.example:8080", NO),
    ("http://evil.example", NO),
    ("http://localhost:8080@evil.example", NO),
    ("http://evil.example:8080", NO),
    ("http://app.localhost:8080", NO),
    ("http://localhost:8080/", NO),
    ("null", NO),
];

#[test]
fn each_origin_has_its_status_and_its_metric() {
    let list = [
        "https://app.example",
        "https://*.team.example",
        "https://xn--bcher-kva.example",
        "http://localhost:3000",
    ];
    let listed = list.map(|text| text.parse().unwrap()).to_vec();
    let listed = BroadcastOptions { allowed_origins: listed, ..BroadcastOptions::default() };
    let any = vec!["*".parse().unwrap()];
    let any = BroadcastOptions { allowed_origins: any, ..BroadcastOptions::default() };
    let of_any = [
        ("https://whoever.example", YES),
        ("http://localhost:8080", YES),
        ("null", NO),
        ("https://a@b", NO),
    ];
    let mut asked = 0;
    for (options, rows) in [
        (listed.clone(), &LISTED[..]),
        (listed, &LOOKALIKES),
        (BroadcastOptions::default(), &SAME),
        (any, &of_any),
    ] {
        let server = Running::broadcast_with(options, |builder| builder.reactors(1));
        let mut asker = Asker::new(server.address);
        for (origin, may) in rows {
            let headers = format!("Host: localhost:8080\r\nOrigin: {origin}\r\n");
            let refused: Outcome = (403, Some("forbidden_origin"));
            let [opened, published] = match may {
                true => [(101, None), (202, None)],
                false => [refused; 2],
            };
            // A control character is not a header at all.
            let [opened, published] = match origin.contains('\u{7f}') {
                true => [(400, Some("malformed")); 2],
                false => [opened, published],
            };
            assert_eq!(asker.ask("WS /news", &headers, "").0, opened, "{origin}");
            assert_eq!(asker.ask("POST /quiet", &headers, "").0, published, "{origin}");
            asked += 1;
        }
        assert_eq!(asker.ask("WS /news", "", "").0, (101, None), "a program names none");
    }
    assert!(asked >= 60, "{asked}");
}
