//! What a server believes of the proxies in front of it: whose request it is, and for which URL.

use std::net::IpAddr;

use fanfare::{Answer, BroadcastOptions, Handler, Request, Response, Server, Upgrade, Visitor};

use crate::support::{Peer, Program, Running, UPGRADE, request};

const PROXY: &str = "127.0.0.1";
/// An address of this machine that is not in the list of proxies.
const NEIGHBOUR: &str = "127.0.0.2";

fn start(options: BroadcastOptions) -> Running {
    Running::broadcast_with(options, |builder| {
        builder.reactors(1).trusted_proxies([PROXY.parse().unwrap()])
    })
}

/// Sends a request from this address, with these header lines. Returns the status.
fn status(server: &Running, from: &str, line: &str, headers: &[&str]) -> u16 {
    let (method, path) = line.split_once(' ').unwrap();
    let mut lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let method = match method {
        "WS" => {
            lines.extend(UPGRADE.iter().map(|line| format!("{line}\r\n")));
            "GET"
        }
        method => method,
    };
    let from: IpAddr = from.parse().unwrap();
    let body = if method == "POST" { "hello" } else { "" };
    Peer::connect_from(from, server.address).ask(request(method, path, &lines, body)).status
}

/// Answers with the address of the client.
struct Mirror;

impl Handler for Mirror {
    type Session = ();

    fn on_request(&mut self, visitor: &mut Visitor<'_>, _: &Request<'_>, _: &[u8]) -> Answer {
        Response::text(200, visitor.address().to_string()).into()
    }

    fn on_upgrade(&mut self, _: &mut Visitor<'_>, _: &Request<'_>) -> Upgrade<()> {
        Upgrade::Accept(())
    }
}

#[test]
fn the_client_is_whom_the_last_trusted_proxy_of_a_chain_tells() {
    let proxies = [PROXY, "::1", "10.0.0.0/8", "2001:db8:aaaa::/48"];
    let server = Running::start(move || {
        let proxies = proxies.map(|one| one.parse().unwrap());
        let builder = Server::builder().listen("127.0.0.1:0").reactors(1);
        builder.trusted_proxies(proxies).handler(|_reactor| Mirror).bind()
    });
    let client = "203.0.113.9:0";
    let itself = "the proxy";
    for (from, lines, expected) in [
        // One entry.
        (PROXY, &["X-Forwarded-For: 203.0.113.9"][..], client),
        (PROXY, &["x-forwarded-FOR:203.0.113.9\t"], client),
        (PROXY, &["X-Forwarded-For: 203.0.113.9:4711"], "203.0.113.9:4711"),
        (PROXY, &["X-Forwarded-For: 203.0.113.9:0"], client),
        (PROXY, &["X-Forwarded-For: 2001:db8::9"], "[2001:db8::9]:0"),
        (PROXY, &["X-Forwarded-For: [2001:db8::9]"], "[2001:db8::9]:0"),
        (PROXY, &["X-Forwarded-For: [2001:db8::9]:443"], "[2001:db8::9]:443"),
        (PROXY, &["X-Forwarded-For: 2001:DB8:0:0::9"], "[2001:db8::9]:0"),
        (PROXY, &["X-Forwarded-For: ::ffff:203.0.113.9"], client),
        (PROXY, &["X-Forwarded-For: [::ffff:203.0.113.9]:7"], "203.0.113.9:7"),
        (PROXY, &["X-Forwarded-For: 127.0.0.1"], "127.0.0.1:0"),
        // What the client has written itself stands in front, and does not count.
        (PROXY, &["X-Forwarded-For: 127.0.0.1, 203.0.113.9"], client),
        (PROXY, &["X-Forwarded-For: 10.0.0.1, 203.0.113.9"], client),
        (PROXY, &["X-Forwarded-For: ::1,127.0.0.1,10.9.9.9,203.0.113.9"], client),
        (PROXY, &["X-Forwarded-For: unknown, <script>, , 203.0.113.9"], client),
        (PROXY, &["X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 203.0.113.9"], client),
        (
            PROXY,
            &["X-Forwarded-For: 127.0.0.1", "Accept: */*", "X-Forwarded-For: 203.0.113.9"],
            client,
        ),
        (PROXY, &["X-Forwarded-For: \"127.0.0.1\"", "X-Forwarded-For: 203.0.113.9"], client),
        // Several proxies.
        (PROXY, &["X-Forwarded-For: 203.0.113.9, 10.0.0.2"], client),
        (PROXY, &["X-Forwarded-For: 198.51.100.1, 203.0.113.9, 10.0.0.3, 10.0.0.2"], client),
        (PROXY, &["X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 10.0.0.2,10.0.0.3"], client),
        (PROXY, &["X-Forwarded-For: 203.0.113.9, [2001:db8:aaaa::2]:9, ::1, 127.0.0.1"], client),
        (PROXY, &["X-Forwarded-For: 198.51.100.1, 203.0.113.9, ::ffff:10.0.0.2"], client),
        (PROXY, &["X-Forwarded-For: 198.51.100.1, 11.0.0.1, 10.0.0.2"], "11.0.0.1:0"),
        (PROXY, &["X-Forwarded-For: 203.0.113.9, 2001:db8:aaab::2"], "[2001:db8:aaab::2]:0"),
        (PROXY, &["X-Forwarded-For: 10.0.0.3, 10.0.0.2"], "10.0.0.3:0"),
        // An entry that is no address: whoever has written it is taken for the client.
        (PROXY, &["X-Forwarded-For: 203.0.113.9, unknown, 10.0.0.2"], "10.0.0.2:0"),
        (PROXY, &["X-Forwarded-For: 203.0.113.9, 10.0.0.256, 10.0.0.2"], "10.0.0.2:0"),
        (PROXY, &["X-Forwarded-For: 203.0.113.9,, 10.0.0.2"], "10.0.0.2:0"),
        (PROXY, &["X-Forwarded-For: 203.0.113.9, unknown"], itself),
        (PROXY, &["X-Forwarded-For: 203.0.113.9,"], itself),
        (PROXY, &["X-Forwarded-For: 203.0.113.9", "X-Forwarded-For:"], itself),
        (PROXY, &["X-Forwarded-For: 203.0.113"], itself),
        (PROXY, &["X-Forwarded-For: 0x7f000001"], itself),
        (PROXY, &["X-Forwarded-For: 203.0.113.9:99999"], itself),
        (PROXY, &["X-Forwarded-For: [2001:db8::9"], itself),
        (PROXY, &["X-Forwarded-For: 203.0.113.9 203.0.113.8"], itself),
        (PROXY, &["X-Forwarded-For: localhost"], itself),
        (PROXY, &["X-Forwarded-For: 0.0.0.0"], itself),
        (PROXY, &["X-Forwarded-For: [::]:0"], itself),
        // Other headers tell nothing.
        (PROXY, &[], itself),
        (PROXY, &["X-Real-IP: 203.0.113.9", "CF-Connecting-IP: 203.0.113.9"], itself),
        (PROXY, &["Forwarded: for=203.0.113.9"], itself),
        (PROXY, &["X-Forwarded-For-Port: 203.0.113.9"], itself),
        // Whoever is no trusted proxy is himself the client.
        (NEIGHBOUR, &["X-Forwarded-For: 203.0.113.9"], NEIGHBOUR),
        (NEIGHBOUR, &["X-Forwarded-For: 127.0.0.1"], NEIGHBOUR),
        (NEIGHBOUR, &["X-Forwarded-For: 203.0.113.9, 127.0.0.1"], NEIGHBOUR),
    ] {
        let headers: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let mut peer = Peer::connect_from(from.parse().unwrap(), server.address);
        let shown = peer.ask(request("GET", "/", &headers, "")).body;
        let (ip, _) = shown.rsplit_once(':').unwrap();
        let is_peer = [itself, NEIGHBOUR].contains(&expected);
        let (shown, expected) = if is_peer { (ip, from) } else { (shown.as_str(), expected) };
        assert_eq!(shown, expected, "{from} {lines:?}");
    }
}

#[test]
fn whoever_a_trusted_proxy_tells_is_judged_as_if_he_had_come_himself() {
    let server = start(BroadcastOptions::default());
    for (from, headers, is_local) in [
        (NEIGHBOUR, &[][..], true),
        (NEIGHBOUR, &["X-Forwarded-For: 127.0.0.1"], false),
        (PROXY, &[], false),
        (PROXY, &["X-Forwarded-For: 127.0.0.3"], true),
        (PROXY, &["X-Forwarded-For: ::1"], true),
        (PROXY, &["X-Forwarded-For: ::ffff:127.0.0.3"], true),
        (PROXY, &["X-Forwarded-For: 127.0.0.3, 127.0.0.1"], true),
        (PROXY, &["X-Forwarded-For: 127.0.0.3", "Via: 1.1 proxy"], true),
        (PROXY, &["X-Forwarded-For: 127.0.0.3", "Host: evil.example"], false),
        (PROXY, &["X-Forwarded-For: 203.0.113.9"], false),
        (PROXY, &["X-Forwarded-For: 127.0.0.3, 203.0.113.9"], false),
        (PROXY, &["X-Forwarded-For: 127.0.0.3", "X-Forwarded-For: 203.0.113.9"], false),
        (PROXY, &["X-Forwarded-For: 203.0.113.9, 127.0.0.1"], false),
        (PROXY, &["X-Forwarded-For: unknown, 127.0.0.1"], false),
        (PROXY, &["X-Forwarded-For: 127.0.0.3, unknown"], false),
        (PROXY, &["X-Forwarded-For: 127.0.0.3,"], false),
        (PROXY, &["X-Forwarded-For:"], false),
        (PROXY, &["X-Real-IP: 127.0.0.3"], false),
        (PROXY, &["Forwarded: for=127.0.0.3"], false),
        (PROXY, &["X-Forwarded-Proto: http"], false),
    ] {
        let status = status(&server, from, "POST /news", headers);
        assert_eq!(status == 202, is_local, "{from} {headers:?}: {status}");
        assert!([202, 403].contains(&status), "{from} {headers:?}: {status}");
    }
}

#[test]
fn the_same_origin_is_that_of_the_url_which_the_proxy_was_asked_for() {
    let options = BroadcastOptions {
        allowed_hosts: vec!["chat.example".to_owned()],
        ..BroadcastOptions::default()
    };
    let server = start(options);
    for (from, proto, origin, host, is_same) in [
        (PROXY, "https", "https://chat.example", "chat.example", true),
        (PROXY, "wss", "https://chat.example", "chat.example", true),
        (PROXY, "https", "http://chat.example", "chat.example", false),
        (PROXY, "http", "https://chat.example", "chat.example", false),
        (PROXY, "http", "http://chat.example", "chat.example", true),
        (PROXY, "https", "https://chat.example:8443", "chat.example:8443", true),
        (PROXY, "https", "https://chat.example", "chat.example:443", true),
        (PROXY, "https", "http://chat.example", "chat.example:80", false),
        (PROXY, "http, https", "https://chat.example", "chat.example", true),
        (PROXY, "ftp", "http://chat.example", "chat.example", true),
        (PROXY, "https", "https://[2001:db8::1]", "[2001:db8::1]", true),
        (PROXY, "https", "https://evil.example", "chat.example", false),
        // A stranger's word about the scheme is not taken.
        (NEIGHBOUR, "https", "http://chat.example", "chat.example", true),
    ] {
        let lines = [
            format!("X-Forwarded-Proto: {proto}"),
            format!("Origin: {origin}"),
            format!("Host: {host}"),
        ];
        let status = status(&server, from, "WS /news", &lines.each_ref().map(String::as_str));
        let expected = if is_same { 101 } else { 403 };
        assert_eq!(status, expected, "{from} {proto} {origin} {host}");
    }
}

#[test]
fn whoever_may_not_speak_the_proxy_protocol_and_who_does_not_is_named_in_the_log() {
    for (proxies, reason) in [("10.0.0.0/8", "untrusted_proxy"), (PROXY, "proxy_header")] {
        let listen = ["--listen", "proxy:127.0.0.1:0", "--trusted-proxies", proxies];
        let (program, mut log) = Program::start_with_log(&listen);
        let (_, address) = program.first_line.split_once("proxy:").unwrap();
        let address = address.split([',', ';']).next().unwrap();
        let mut peer = Peer::connect(address.parse().unwrap());
        assert!(peer.try_ask(request("GET", "/news", "", "")).is_none(), "closed at once");
        let line = log.wait_for("refused");
        assert!(line.contains(reason) && line.contains("address=127.0.0.1"), "{line}");
    }
}

#[test]
fn each_request_on_a_connection_that_the_proxy_keeps_is_logged_with_its_own_client() {
    let (program, mut log) = Program::start_with_log(&["--trusted-proxies", PROXY, "--log-access"]);
    let mut kept = Peer::connect(program.address);
    for client in ["203.0.113.9", "203.0.113.10:4711", "2001:db8::9", "203.0.113.9"] {
        let headers = format!("X-Forwarded-For: {client}\r\n");
        assert_eq!(kept.ask(request("GET", "/news", &headers, "")).status, 200);
        let line = log.wait_for("status=200");
        let address: std::net::SocketAddr =
            client.parse().unwrap_or_else(|_| (client.parse::<IpAddr>().unwrap(), 0).into());
        assert!(line.contains(&format!("address={address}")), "{client}: {line}");
    }
}

#[test]
fn the_log_shows_the_true_address() {
    let arguments = ["--trusted-proxies", "127.0.0.1,10.0.0.0/8", "--log-events"];
    let (program, mut log) = Program::start_with_log(&arguments);
    let headers = "X-Forwarded-For: 198.51.100.1, 203.0.113.9:4711, 10.0.0.5\r\n";
    let mut peer = Peer::connect(program.address);
    assert_eq!(peer.ask(request("POST", "/news", headers, "hello")).status, 403);
    let line = log.wait_for("forbidden_publish");
    assert!(line.contains("address=203.0.113.9:4711"), "{line}");
    let upgrade: String = UPGRADE.iter().map(|line| format!("{line}\r\n")).collect();
    let headers = format!("X-Forwarded-For: 2001:db8::9\r\n{upgrade}");
    let mut peer = Peer::connect(program.address);
    assert_eq!(peer.ask(request("GET", "/news", &headers, "")).status, 101);
    let line = log.wait_for("open");
    assert!(line.contains("address=[2001:db8::9]:0"), "{line}");
}
