//! Asks an application over HTTP whether a peer may connect (`--authorize-url`).
//!
//! A reactor never waits: it makes a [`Question`], and goes on with the handshake when the question
//! has been answered. Side threads ask.
//!
//! | file | holds |
//! |---|---|
//! | here | what an operator sets |
//! | `url` | the URL of the application |
//! | `forwarded_request` | what the application is told of a handshake |
//! | `question`, `fair_queue` | a question, and those that wait for a thread |
//! | `side_threads` | the threads that ask |
//! | `http_client`, `host_names` | one exchange with the application; its addresses |
//! | `verdict` | what the application has said |

mod fair_queue;
mod forwarded_request;
mod host_names;
mod http_client;
mod question;
mod side_threads;
mod url;
mod verdict;

use std::time::Duration;

pub(crate) use forwarded_request::{HandshakeSource, forwarded_request};
pub(crate) use question::{Question, VerdictSlot};
pub(crate) use side_threads::SideThreads;
pub use url::{AuthorizeUrl, AuthorizeUrlError};
pub(crate) use verdict::{NoVerdict, Verdict};

/// The application that decides which peers may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorizer {
    /// Where it is asked, by GET.
    pub url: AuthorizeUrl,
    /// How long an answer may take in all, from the handshake on. Without an answer by then, the
    /// peer is answered 503.
    pub timeout: Duration,
}
