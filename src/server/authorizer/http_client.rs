//! One exchange with the application: bounded in time and in size, on a connection that is kept for
//! the next one.

use std::io::{self, ErrorKind};
use std::time::Duration;

use ureq::Agent;
use ureq::unversioned::transport::DefaultConnector;

use super::host_names::HostNames;
use super::question::Question;
use super::verdict::{NoVerdict, Verdict};

/// The most bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Room for such a head, and for the rest of a read.
const INPUT_BYTES: usize = 2 * HEAD_BYTES_MAX;
/// Room for any question: a handshake's head has at most 16 KiB, and its target stands in it twice.
const OUTPUT_BYTES: usize = 48 << 10;
/// The most connections that are kept: one for each thread.
const IDLE_CONNECTIONS_MAX: usize = 32;
/// How long an idle connection is kept. Many applications end it after five seconds.
const IDLE_AGE_MAX: Duration = Duration::from_secs(4);

pub(super) struct HttpClient(Agent);

impl HttpClient {
    pub(super) fn new() -> HttpClient {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A proxy that the environment names is not for the application.
            .proxy(None)
            .user_agent("")
            .accept("")
            .max_response_header_size(HEAD_BYTES_MAX)
            .input_buffer_size(INPUT_BYTES)
            .output_buffer_size(OUTPUT_BYTES)
            .max_idle_connections(IDLE_CONNECTIONS_MAX)
            .max_idle_connections_per_host(IDLE_CONNECTIONS_MAX)
            .max_idle_age(IDLE_AGE_MAX)
            .build();
        let names = HostNames::default();
        HttpClient(Agent::with_parts(config, DefaultConnector::default(), names))
    }

    /// Asks the application. Takes this long at most.
    pub(super) fn ask(&self, question: &Question, timeout: Duration) -> Verdict {
        match self.exchange(question, timeout) {
            Ok(verdict) => verdict,
            // The application may have closed a kept connection while the question was on its way,
            // so it is asked once more (RFC 9112 section 9.3.1).
            Err(error) if is_disconnect(&error) => match question.time_left() {
                Some(left) => self.exchange(question, left).unwrap_or_else(|error| failure(&error)),
                None => Verdict::None(NoVerdict::TooSlow),
            },
            Err(error) => failure(&error),
        }
    }

    fn exchange(&self, question: &Question, timeout: Duration) -> Result<Verdict, ureq::Error> {
        let request = self.0.configure_request(question.request());
        let request = request.timeout_global(Some(timeout)).build();
        Verdict::read(self.0.run(request)?)
    }
}

fn is_disconnect(error: &ureq::Error) -> bool {
    let ureq::Error::Io(error) = error else { return false };
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
    )
}

/// Returns why there is no answer.
fn failure(error: &ureq::Error) -> Verdict {
    Verdict::None(match error {
        ureq::Error::Timeout(_) => NoVerdict::TooSlow,
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => NoVerdict::NotReached,
        ureq::Error::Io(error) => of_io(error),
        ureq::Error::LargeResponseHeader(..) => NoVerdict::TooLarge,
        _ => NoVerdict::NotUnderstood,
    })
}

fn of_io(error: &io::Error) -> NoVerdict {
    match error.kind() {
        ErrorKind::TimedOut => NoVerdict::TooSlow,
        ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable => NoVerdict::NotReached,
        _ => NoVerdict::Failed,
    }
}
