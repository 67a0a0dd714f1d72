//! `--admin-listen`: health and metrics on an address of their own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use fanfare::{Broadcast, BroadcastOptions, Server};

/// The status of a request whose connection ends with it.
fn status(address: SocketAddr, method: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn with_an_admin_listener_health_and_metrics_are_there_and_nothing_else_is() {
    let server = Server::builder()
        .listen("127.0.0.1:0")
        .admin_listen("127.0.0.1:0")
        .handler(|_| Broadcast::new(BroadcastOptions::default()))
        .bind()
        .unwrap();
    let (public, admin) = (server.local_addresses()[0], server.admin_addresses()[0]);
    let stopper = server.stopper();
    let running = std::thread::spawn(move || server.run());
    for path in ["/-/healthz", "/-/readyz", "/-/metrics"] {
        assert_eq!(status(admin, "GET", path, ""), "200", "{path}");
        assert_eq!(status(public, "GET", path, ""), "404", "{path}");
    }
    // As a scraper on another machine is seen through a proxy.
    assert_eq!(status(admin, "GET", "/-/metrics", "X-Forwarded-For: 192.0.2.1\r\n"), "200");
    for (method, path) in [("GET", "/"), ("GET", "/news"), ("POST", "/news")] {
        assert_eq!(status(admin, method, path, "Content-Length: 0\r\n"), "404", "{method} {path}");
        assert_ne!(status(public, method, path, "Content-Length: 0\r\n"), "404", "{method} {path}");
    }
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let upgrade = format!("Connection: Upgrade\r\n{upgrade}");
    assert_eq!(status(admin, "GET", "/news", &upgrade), "404");
    stopper.drain();
    running.join().unwrap().unwrap();
}
