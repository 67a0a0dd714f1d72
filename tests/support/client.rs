//! The client of the crate tungstenite: a WebSocket implementation independent of this project.

use std::net::{SocketAddr, TcpStream};

use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::protocol::WebSocket;

use super::DEADLINE;

/// A connected client.
pub(crate) type Client = WebSocket<TcpStream>;

/// The answer to an opening handshake.
type Answer = Box<http::Response<Option<Vec<u8>>>>;

/// Connects to a path; the test fails if the server refuses.
pub(crate) fn connect(address: SocketAddr, path: &str) -> Client {
    match try_connect(address, path, &[]) {
        Ok((client, _)) => client,
        Err(answer) => panic!("{path} was refused: {}", answer.status()),
    }
}

/// Connects with these headers in the request, which replace default headers of the same name.
/// Returns the client and the 101, or the response with which the server refuses.
pub(crate) fn try_connect(
    address: SocketAddr,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<(Client, Answer), Answer> {
    let stream = TcpStream::connect(address).expect("the server accepts");
    stream.set_read_timeout(Some(DEADLINE)).expect("a socket has time-outs");
    stream.set_nodelay(true).expect("a socket has options");
    let uri = format!("ws://{address}{path}");
    let mut request = uri.into_client_request().expect("a URI");
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("the value of a header"));
    }
    let connected = tungstenite::client(request, stream);
    connected.map(|(client, answer)| (client, Box::new(answer))).map_err(|error| match error {
        HandshakeError::Failure(tungstenite::Error::Http(answer)) => answer,
        HandshakeError::Failure(error) => panic!("{path}: {error}"),
        HandshakeError::Interrupted(_) => panic!("no answer within {DEADLINE:?}"),
    })
}
