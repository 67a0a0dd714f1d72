//! Where a server listens besides TCP: sockets in the file system, the PROXY protocol, and sockets
//! that the service manager hands over.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use fanfare::{Broadcast, BroadcastOptions, Server};
use rustix::process::Signal;

use crate::support::{Peer, Program, Running, UPGRADE, fanfare, request, text};

/// Connects to a socket in the file system. The system calls are those of TCP.
fn connect(path: &Path) -> Peer {
    let stream = UnixStream::connect(path).expect("the server listens");
    Peer::of(TcpStream::from(OwnedFd::from(stream)))
}

fn upgrade(headers: &str) -> Vec<u8> {
    let lines: String = UPGRADE.iter().map(|line| format!("{line}\r\n")).collect();
    request("GET", "/news", &format!("{lines}{headers}"), "")
}

/// The header of the PROXY protocol that tells of this IPv4 address.
fn proxy_header(address: [u8; 4]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    bytes.extend(address);
    bytes.extend([127, 0, 0, 1, 0x12, 0x67, 0, 80]);
    bytes
}

#[test]
fn a_socket_in_the_file_system_is_for_proxies_and_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fanfare.sock");
    let listen = format!("unix:{}", path.display());
    let start = || {
        let mut command = fanfare(&["--listen", &listen, "--reactors", "2", "--log-events"]);
        command.args(["--socket-mode", "600", "--listen", "127.0.0.1:0", "--publish", "all"]);
        Program::run(command)
    };
    let (mut program, mut log) = start();
    assert!(program.first_line.contains(&listen), "{}", program.first_line);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for (headers, status) in [
        ("", 403),
        ("X-Forwarded-For: 203.0.113.9\r\n", 403),
        // A proxy that sets no headers passes on what its client says.
        ("X-Forwarded-For: 127.0.0.1\r\n", 403),
    ] {
        assert_eq!(connect(&path).ask(request("POST", "/news", headers, "hello")).status, status);
    }
    let mut peer = connect(&path);
    assert_eq!(peer.ask(upgrade("X-Forwarded-For: 203.0.113.9\r\n")).status, 101);
    assert!(log.wait_for(" open ").contains("address=203.0.113.9:0"));
    let mut local = connect(&path);
    assert_eq!(local.ask(upgrade("X-Forwarded-For: 127.0.0.1\r\n")).status, 101);
    local.send(text("hello"));
    assert_eq!((peer.text(), local.text()), ("hello".to_owned(), "hello".to_owned()));

    let health = fanfare(&["healthcheck", "--listen", &listen]).output().unwrap();
    assert!(health.status.success(), "{health:?}");
    let second = fanfare(&["--listen", &listen]).output().unwrap();
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success() && error.contains("another program listens"), "{error}");

    drop((peer, local));
    log.read_in_background();
    assert_eq!(program.signal_until_the_end(Signal::TERM), Some(0));
    assert!(!path.exists(), "the file goes with the server");
    // A server that was killed leaves its file behind.
    drop(UnixListener::bind(&path).unwrap());
    let (_program, log) = start();
    log.read_in_background();
    assert_eq!(connect(&path).ask(request("GET", "/-/healthz", "", "")).status, 200);
}

#[test]
fn pub_and_sub_and_a_large_message_go_through_a_socket_in_the_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fanfare.sock");
    let listen = format!("unix:{}", path.display());
    let mut command = fanfare(&["--listen", &listen, "--listen", "127.0.0.1:0"]);
    command.args(["--publish-key", "sesame"]);
    let (_program, log) = Program::run(command);
    log.read_in_background();
    let mut peer = connect(&path);
    assert_eq!(peer.ask(upgrade("")).status, 101);
    // More than a socket holds, and less than a subscriber may fall behind.
    let message = "x".repeat(64 << 10);
    for _ in 0..8 {
        let key = "Authorization: Bearer sesame\r\n";
        assert_eq!(connect(&path).ask(request("POST", "/news", key, &message)).status, 201);
    }
    for _ in 0..8 {
        assert_eq!(peer.text(), message);
    }
    let mut publish = fanfare(&["pub", "--url", &listen, "news", "hello"]);
    publish.env("FANFARE_PUBLISH_KEY", "sesame");
    assert!(publish.status().unwrap().success());
    assert_eq!(peer.text(), "hello");
}

#[test]
fn the_proxy_protocol_tells_whose_connection_it_is() {
    let server = |proxies: &str| {
        let proxies = proxies.parse().unwrap();
        Running::start(move || {
            Server::builder()
                .listen("proxy:127.0.0.1:0")
                .trusted_proxies([proxies])
                .reactors(1)
                .handler(|_reactor| Broadcast::new(BroadcastOptions::default()))
                .bind()
        })
    };
    let trusting = server("127.0.0.1");
    for (client, status) in [([127, 0, 0, 2], 202), ([127, 0, 0, 1], 403), ([203, 0, 113, 9], 403)]
    {
        let mut peer = Peer::connect(trusting.address);
        let mut bytes = proxy_header(client);
        bytes.extend(request("POST", "/news", "", "hello"));
        // In three pieces, each of which may arrive alone.
        for piece in bytes.chunks(bytes.len() / 3 + 1) {
            peer.send(piece);
        }
        assert_eq!(peer.response().status, status, "{client:?}");
    }
    let mut plain = Peer::connect(trusting.address);
    assert!(plain.try_ask(request("GET", "/-/healthz", "", "")).is_none(), "there is no header");
    let strict = server("10.0.0.0/8");
    let mut stranger = TcpStream::connect(strict.address).unwrap();
    let _ = stranger.write_all(&proxy_header([127, 0, 0, 1]));
    let read = stranger.read(&mut [0; 1]);
    assert!(matches!(read, Ok(0) | Err(_)), "closed at once: {read:?}");
}

#[test]
fn sockets_that_are_handed_over_are_served_by_all_reactors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handed.sock");
    let (tcp, unix) =
        (std::net::TcpListener::bind("127.0.0.1:0").unwrap(), UnixListener::bind(&path).unwrap());
    let server = Running::start(move || {
        Server::builder()
            .listen_on(tcp)
            .listen_on(unix)
            .reactors(2)
            .handler(|_reactor| Broadcast::new(BroadcastOptions::default()))
            .bind()
    });
    let mut peers: Vec<Peer> = (0..32).map(|_| Peer::subscribe(server.address, "/news")).collect();
    let mut proxied = connect(&path);
    assert_eq!(proxied.ask(upgrade("X-Forwarded-For: 203.0.113.9\r\n")).status, 101);
    peers[0].send(text("hello"));
    assert!(peers.iter_mut().chain([&mut proxied]).all(|peer| peer.text() == "hello"));
}

#[test]
fn socket_activation_takes_what_it_is_given_and_says_if_that_is_nothing() {
    let none = fanfare(&["--listen", "systemd"]).output().unwrap();
    let error = String::from_utf8(none.stderr).unwrap();
    assert!(!none.status.success() && error.contains(".socket unit"), "{error}");
    assert!(fanfare(&["check", "--listen", "systemd"]).output().unwrap().status.success());
    if !Path::new("/usr/bin/systemd-socket-activate").exists() {
        return;
    }
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new("/usr/bin/systemd-socket-activate");
    command.arg(format!("--listen={address}"));
    let server = fanfare(&["--listen", "systemd", "--reactors", "2"]);
    command.arg(server.get_program()).args(server.get_args());
    // The program is started by the first connection, which waits in the queue meanwhile.
    let first = std::thread::spawn(move || {
        loop {
            if TcpStream::connect(address).is_ok() {
                return Peer::connect(address).ask(request("GET", "/-/healthz", "", "")).status;
            }
            std::thread::yield_now();
        }
    });
    let (program, log) = Program::run(command);
    log.read_in_background();
    assert_eq!(program.address, address);
    assert_eq!(first.join().unwrap(), 200);
}
