//! HTTP requests: the opening handshake, and POST, whose body is published in a broadcast.
use fanfare::protocol::{
    HEAD_BYTES_MAX_DEFAULT, HeadScanner, HeaderStorage, HttpError, HttpLimits, Message,
    MessageKind, Persistence, Request, Response, check_upgrade, encode_switching_protocols,
};

use super::args::{ServeArgs, ServeMode};
use super::connection::{Body, ServerConnection, ServerPhase};
use crate::net::socket::REST_BYTES_MAX;

/// The largest message that is accepted.
pub(super) const MESSAGE_BYTES_MAX: usize = 32 << 20;
const LIMITS: HttpLimits =
    HttpLimits { head_bytes_max: HEAD_BYTES_MAX_DEFAULT, body_bytes_max: MESSAGE_BYTES_MAX };
const _: () =
    assert!(LIMITS.head_bytes_max <= REST_BYTES_MAX, "a head must fit in front of a read");

/// A valid key that no client draws, so its Sec-WebSocket-Accept is wrong for every client.
const OTHER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

impl ServerConnection {
    /// Processes and answers the requests at the front of `bytes`. Returns how many bytes were
    /// processed. The rest is an incomplete head, or follows the last HTTP request.
    pub(crate) fn take_requests(
        &mut self,
        bytes: &[u8],
        args: &ServeArgs,
        mut publish: impl FnMut(Message<'_>),
    ) -> usize {
        let mut start = 0;
        while let ServerPhase::Http { scanner, body } = &mut self.phase {
            if let Some(body) = body {
                let taken = body.missing_bytes.min(bytes.len() - start);
                self.assembly.extend_from_slice(&bytes[start..start + taken]);
                body.missing_bytes -= taken;
                start += taken;
                if body.missing_bytes > 0 {
                    break;
                }
                let persistence = body.persistence;
                self.end_body(persistence, &mut publish);
                continue;
            }
            match scanner.find_end(&bytes[start..], &LIMITS) {
                Ok(None) => break,
                Ok(Some(head_bytes)) => {
                    self.take_head(&bytes[start..start + head_bytes], args);
                    start += head_bytes;
                }
                Err(error) => self.refuse(&http_response(error)),
            }
        }
        start
    }

    fn take_head(&mut self, head: &[u8], args: &ServeArgs) {
        let mut storage = HeaderStorage::new();
        let request = match Request::parse(head, &mut storage) {
            Ok(request) => request,
            Err(error) => return self.refuse(&http_response(error)),
        };
        if request.method() == "POST" && args.mode() == ServeMode::Broadcast {
            return self.begin_body(&request);
        }
        let upgrade = match check_upgrade(&request) {
            Ok(upgrade) => upgrade,
            Err(error) => return self.refuse(&error.response()),
        };
        if let Some(status) = args.refuse {
            return self.refuse(&Response::text(status, "refused, as asked for"));
        }
        let key = if args.wrong_accept { OTHER_KEY } else { upgrade.key };
        let subprotocol = upgrade.subprotocols().next();
        encode_switching_protocols(self.outbound.frames(), key, subprotocol, None);
        self.outbound.end_answer();
        self.phase = ServerPhase::Open;
    }

    fn begin_body(&mut self, request: &Request<'_>) {
        let missing_bytes = match request.body_bytes_within(&LIMITS) {
            Ok(body_bytes) => body_bytes,
            Err(error) => return self.refuse(&http_response(error)),
        };
        if request.expects_continue() {
            self.outbound.frames().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            self.outbound.end_answer();
        }
        self.assembly.clear();
        let body = Body { missing_bytes, persistence: request.persistence() };
        self.phase = ServerPhase::Http { scanner: HeadScanner::new(), body: Some(body) };
    }

    fn end_body(&mut self, persistence: Persistence, publish: &mut impl FnMut(Message<'_>)) {
        let Some(message) = Message::new(MessageKind::Text, &self.assembly) else {
            return self.refuse(&Response::text(
                400,
                "the body is not UTF-8, and is to be a text message",
            ));
        };
        publish(message);
        Response::new(201).encode(self.outbound.frames(), persistence, false);
        self.outbound.end_answer();
        self.phase = if persistence.keeps_alive() {
            ServerPhase::Http { scanner: HeadScanner::new(), body: None }
        } else {
            ServerPhase::Ending
        };
    }

    fn refuse(&mut self, response: &Response) {
        response.encode(self.outbound.frames(), Persistence::Close, false);
        self.outbound.end_answer();
        self.phase = ServerPhase::Ending;
    }
}

fn http_response(error: HttpError) -> Response {
    Response::text(error.status(), error.reason())
}
