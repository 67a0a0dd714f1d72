//! A small WebSocket client on a blocking socket. It reads exactly the bytes that must arrive, and
//! compares them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the client waits for bytes: long enough for a server under callgrind on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { stream }
    }

    /// Connects and completes the opening handshake.
    pub(crate) fn open(address: SocketAddr, path: &str) -> Client {
        let mut client = Client::connect(address);
        client.ask_to_open(path);
        client.expect_open();
        client
    }

    pub(crate) fn ask_to_open(&mut self, path: &str) {
        self.write(
            format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            .as_bytes(),
        );
    }

    pub(crate) fn expect_open(&mut self) {
        let head = self.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// Sends a POST that publishes a body.
    pub(crate) fn post(&mut self, path: &str, body: &str) {
        self.request(&format!("POST {path}"), body);
    }

    /// Asks for the server's health. The answer shows that a reactor has accepted the connection.
    pub(crate) fn ask_for_health(&mut self) {
        self.request("GET /-/healthz", "");
    }

    fn request(&mut self, line: &str, body: &str) {
        let length = body.len();
        self.write(
            format!("{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
                .as_bytes(),
        );
    }

    /// Reads a whole response, whose status must be 2xx.
    pub(crate) fn expect_success(&mut self) {
        let head = self.head().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 20"), "{head}");
        let (_, length) = head.split_once("content-length: ").unwrap();
        let length = length.lines().next().unwrap().parse().unwrap();
        self.stream.read_exact(&mut vec![0; length]).unwrap();
    }

    /// Sends a text message of fewer than 126 bytes.
    pub(crate) fn send(&mut self, message: &[u8]) {
        self.write_frame(0x81, message);
    }

    /// Waits for a text message and compares it.
    pub(crate) fn expect(&mut self, message: &[u8]) {
        self.expect_frame(0x81, message);
    }

    pub(crate) fn send_close(&mut self) {
        self.write_frame(0x88, &1000_u16.to_be_bytes());
    }

    /// Waits for the Close frame that answers ours, and for the end of the stream.
    pub(crate) fn expect_close(mut self) {
        self.expect_frame(0x88, &1000_u16.to_be_bytes());
        assert_eq!(self.stream.read(&mut [0]).unwrap(), 0, "more bytes after the Close frame");
    }

    fn write_frame(&mut self, first: u8, payload: &[u8]) {
        const KEY: [u8; 4] = [1, 2, 3, 4];
        let mut frame = vec![first, 0x80 | payload.len() as u8];
        frame.extend(KEY);
        frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
        self.write(&frame);
    }

    fn expect_frame(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![0; 2 + payload.len()];
        self.stream.read_exact(&mut frame).unwrap();
        assert_eq!(frame, [&[first, payload.len() as u8], payload].concat());
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        String::from_utf8(head).unwrap()
    }
}
