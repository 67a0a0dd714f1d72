//! tungstenite, a WebSocket client that nobody here wrote.

use std::net::{SocketAddr, TcpStream};

use tungstenite::client::{ClientRequestBuilder, IntoClientRequest};
use tungstenite::handshake::HandshakeError;
use tungstenite::protocol::WebSocket;

use super::DEADLINE;

/// A connected client.
pub(crate) type Client = WebSocket<TcpStream>;

type Answer = http::Response<Option<Vec<u8>>>;

/// Connects to a path.
pub(crate) fn connect(address: SocketAddr, path: &str) -> Client {
    connect_asking(address, path, |request| request).0
}

/// Connects with more in the request than the path; with the client comes the 101.
pub(crate) fn connect_asking(
    address: SocketAddr,
    path: &str,
    more: impl FnOnce(ClientRequestBuilder) -> ClientRequestBuilder,
) -> (Client, Answer) {
    attempt(address, path, more).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Connects where it is declined: the answer.
pub(crate) fn refusal(
    address: SocketAddr,
    path: &str,
    more: impl FnOnce(ClientRequestBuilder) -> ClientRequestBuilder,
) -> Answer {
    match attempt(address, path, more) {
        Err(tungstenite::Error::Http(answer)) => *answer,
        Err(error) => panic!("{path}: {error}"),
        Ok(_) => panic!("{path} was let in"),
    }
}

fn attempt(
    address: SocketAddr,
    path: &str,
    more: impl FnOnce(ClientRequestBuilder) -> ClientRequestBuilder,
) -> tungstenite::Result<(Client, Answer)> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_nodelay(true)?;
    let uri = format!("ws://{address}{path}").parse().expect("a URI");
    let request = more(ClientRequestBuilder::new(uri)).into_client_request()?;
    tungstenite::client(request, stream).map_err(|error| match error {
        HandshakeError::Failure(error) => error,
        HandshakeError::Interrupted(_) => panic!("no answer within {DEADLINE:?}"),
    })
}
