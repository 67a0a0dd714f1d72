//! Tests of what is for the operator: health and metrics, on an admin listener of their own, and
//! exempt from the limits on other clients.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use fanfare::{BroadcastOptions, PublishKey};

use crate::support::{Peer, Running, UPGRADE, ask_once, request, upgrade, wait_for};

#[test]
fn with_an_admin_listener_health_metrics_and_console_are_there_and_nothing_else_is() {
    let server = Running::broadcast_with(BroadcastOptions::default(), |builder| {
        builder.admin_listen("127.0.0.1:0")
    });
    let (public, admin) = (server.address, server.admin.unwrap());
    let status =
        |address, line: &str, headers: &[&str]| ask_once(address, line, headers, "").status;
    for path in ["/-/healthz", "/-/readyz", "/-/metrics"] {
        assert_eq!(status(admin, &format!("GET {path}"), &[]), 200, "{path}");
        assert_eq!(status(public, &format!("GET {path}"), &[]), 404, "{path}");
    }
    // A scraper on another machine, behind a proxy.
    assert_eq!(status(admin, "GET /-/metrics", &["X-Forwarded-For: 192.0.2.1"]), 200);
    for line in ["GET /news", "POST /news"] {
        assert_eq!(status(admin, line, &[]), 404, "{line}");
        assert_ne!(status(public, line, &[]), 404, "{line}");
    }
    // The console shows the operator's figures there, and channels here.
    for address in [admin, public] {
        assert_eq!(status(address, "GET /", &[]), 200);
        assert_eq!(status(address, "POST /", &[]), 405);
    }
    assert_eq!(status(admin, "GET /", &UPGRADE), 404);
    assert_eq!(status(admin, "GET /news", &UPGRADE), 404);
}

fn key() -> BroadcastOptions {
    BroadcastOptions {
        publish_key: Some(PublishKey::new("sesame").unwrap()),
        ..BroadcastOptions::default()
    }
}

#[test]
fn over_the_limit_of_an_address_the_operator_and_whoever_has_the_key_are_served() {
    let server = Running::broadcast_with(key(), |builder| builder.max_connections_per_ip(Some(1)));
    let here: IpAddr = "127.0.0.2".parse().unwrap();
    let connect = || Peer::connect_from(here, server.address);
    let _member = connect().open("/news");
    let bearer = "Authorization: Bearer sesame\r\n";
    let keyed = |body: &str| request("POST", "/news", bearer, body);
    // One connection over the limit is served, and kept open for further requests.
    let mut exempt = connect();
    assert_eq!(exempt.ask(request("GET", "/-/healthz", "", "")).status, 200);
    assert_eq!(exempt.ask(request("GET", "/-/readyz", "", "")).status, 200);
    assert_eq!(exempt.ask(request("GET", "/-/metrics", "", "")).status, 200);
    assert_eq!(exempt.ask(keyed("one")).status, 201);
    assert_eq!(exempt.ask(keyed(&"two".repeat(10_000))).status, 201);
    // Further connections over the limit are answered once, and closed.
    for request in [request("GET", "/-/healthz", "", ""), keyed("three")] {
        let mut peer = connect();
        let answer = peer.ask(request);
        assert!([200, 201].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.header("Connection"), Some("close"));
        peer.end();
    }
    let wrong = "Authorization: Bearer wrong\r\n";
    for refused in [
        request("GET", "/news", "", ""),
        request("GET", "/", "", ""),
        request("POST", "/news", "", "a"),
        request("POST", "/news", wrong, "a"),
        upgrade("/news"),
    ] {
        assert_eq!(connect().ask(refused).status, 429);
    }
    assert_eq!(exempt.ask(upgrade("/news")).status, 429);
}

#[test]
fn no_limit_applies_to_the_admin_listener() {
    let server = Running::broadcast_with(BroadcastOptions::default(), |builder| {
        let builder = builder.admin_listen("127.0.0.1:0").max_connections(1);
        builder.max_connections_per_ip(Some(1)).accept_rate(Some(1))
    });
    let _member = Peer::subscribe(server.address, "/news");
    let mut peers: Vec<_> = (0..20).map(|_| Peer::connect(server.admin.unwrap())).collect();
    for path in ["/-/healthz", "/-/metrics"] {
        for peer in &mut peers {
            assert_eq!(peer.ask(request("GET", path, "", "")).status, 200);
        }
    }
}

#[test]
fn the_admin_listener_stays_open_while_draining() {
    let server = Running::broadcast_with(BroadcastOptions::default(), |builder| {
        let hour = Duration::from_secs(3600);
        let builder = builder.admin_listen("127.0.0.1:0").reactors(2);
        builder.drain_timeout(hour).slow_timeout(hour)
    });
    let (public, admin) = (server.address, server.admin.unwrap());
    let mut idle = Peer::connect(admin);
    assert_eq!(idle.ask(request("GET", "/-/readyz", "", "")).status, 200);
    let behind = Peer::connect_narrow(public).open("/behind");
    let mut publisher = Peer::connect(public);
    for _ in 0..10 {
        let message = request("POST", "/behind", "", "x".repeat(60_000));
        assert_eq!(publisher.ask(message).status, 201);
    }
    server.drain();
    wait_for("the listener to close", || TcpStream::connect(public).is_err().then_some(()));
    let answer = idle.ask(request("GET", "/-/readyz", "", ""));
    assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("1")));
    for _ in 0..10 {
        assert_eq!(ask_once(admin, "GET /-/readyz", &[], "").status, 503);
        assert_eq!(ask_once(admin, "GET /-/healthz", &[], "").status, 200);
        let metrics = ask_once(admin, "GET /-/metrics", &[], "");
        assert!(metrics.body.contains("\nfanfare_draining 1\n"), "{}", metrics.body);
    }
    // Neither the admin listener nor an open connection to it delays the end of the server.
    let _idle = Peer::connect(admin);
    drop(behind);
    drop(server);
    assert!(TcpStream::connect(admin).is_err());
}

#[test]
fn metrics_are_prometheus_text_for_whoever_asks_for_it() {
    let server = Running::broadcast();
    Peer::subscribe(server.address, "/news").close();
    let ask = |accept: &str| {
        let page = ask_once(server.address, "GET /-/metrics", &[&format!("Accept: {accept}")], "");
        (page.header("Content-Type").unwrap().to_owned(), page.body)
    };
    assert!(ask("*/*").0.starts_with("application/openmetrics-text"));
    let (kind, page) = ask("text/plain");
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    // As `promtool check metrics` demands: each sample belongs to a family with help and type under
    // its own name, and only the names of counters end in `_total`.
    let (mut helps, mut types) = (BTreeSet::new(), BTreeMap::new());
    for line in page.lines() {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, text] => {
                assert!(!text.is_empty() && helps.insert(name), "{line}");
            }
            ["#", "TYPE", name, kind] => {
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                assert!(types.insert(name, kind).is_none(), "{line}");
            }
            _ => {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let name = series.split('{').next().unwrap();
                let family = types.keys().find(|family| {
                    let rest = name.strip_prefix(**family);
                    rest.is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
                });
                assert!(family.is_some_and(|family| helps.contains(family)), "{line}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
    }
    assert!(page.contains("\nfanfare_connections_opened_total 1\n"), "{page}");
}

#[test]
fn counts_by_close_code_and_status_are_there_from_the_start_and_the_times_have_all_their_buckets() {
    let server = Running::broadcast();
    let page = ask_once(server.address, "GET /-/metrics", &[], "").body;
    for series in [
        r#"fanfare_connections_closed_total{code="4008",initiator="server"} 0"#,
        r#"fanfare_connections_closed_total{code="1006",initiator="none"} 0"#,
        r#"fanfare_handshakes_total{status="401"} 0"#,
        r#"fanfare_responses_total{status="503"} 0"#,
        r#"fanfare_delivery_seconds_bucket{le="+Inf"} 0"#,
        "fanfare_delivery_seconds_count 0",
    ] {
        assert!(page.lines().any(|line| line == series), "{series} is missing:\n{page}");
    }
    for metric in ["fanfare_turn_seconds", "fanfare_delivery_seconds"] {
        let bucket = format!("{metric}_bucket{{");
        assert_eq!(page.lines().filter(|line| line.starts_with(&bucket)).count(), 20);
    }
}

/// Returns the names in the answer of `/-/channels`, and whether there are more.
fn listed(address: std::net::SocketAddr, query: &str) -> (Vec<String>, bool) {
    let answer = ask_once(address, &format!("GET /-/channels{query}"), &[], "");
    assert_eq!(answer.status, 200, "{answer:?}");
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let channels = body["channels"].as_array().unwrap();
    let names = channels.iter().map(|one| one["channel"].as_str().unwrap().to_owned());
    (names.collect(), body["more"].as_bool().unwrap())
}

#[test]
fn the_channels_are_listed_for_whoever_may_read_the_metrics() {
    let server = Running::broadcast_with(BroadcastOptions::default(), |one| one.reactors(2));
    let _peers = ["/chat/1", "/chat/1", "/chat/2", "/caf%C3%A9%22"]
        .map(|path| Peer::subscribe(server.address, path));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(listed(server.address, ""), (names(&["chat/1", "caf\u{e9}\"", "chat/2"]), false));
    assert_eq!(listed(server.address, "?limit=1&sort=lag"), (names(&["caf\u{e9}\""]), true));
    assert_eq!(listed(server.address, "?filter=chat/2&sort=rate"), (names(&["chat/2"]), false));
    let bad = ask_once(server.address, "GET /-/channels?sort=name", &[], "");
    assert_eq!(bad.status, 400, "{bad:?}");
    let status =
        |address, line: &str, headers: &[&str]| ask_once(address, line, headers, "").status;
    let proxied = ["X-Forwarded-For: 192.0.2.1"];
    assert_eq!(status(server.address, "GET /-/channels", &proxied), 403);
    assert_eq!(status(server.address, "POST /-/channels", &[]), 405);
    assert_eq!(status(server.address, "GET /-/channels", &UPGRADE), 404);
    let keyed = Running::broadcast_with(key(), |builder| builder);
    let bearer = "Authorization: Bearer sesame";
    assert_eq!(status(keyed.address, "GET /-/channels", &proxied), 401);
    assert_eq!(status(keyed.address, "GET /-/channels", &[proxied[0], bearer]), 200);
    let split = Running::broadcast_with(BroadcastOptions::default(), |builder| {
        builder.admin_listen("127.0.0.1:0")
    });
    assert_eq!(status(split.address, "GET /-/channels", &[]), 404);
    assert_eq!(status(split.admin.unwrap(), "GET /-/channels", &proxied), 200);
}
