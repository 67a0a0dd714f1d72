//! Tests of `--authorize-url`, with a little HTTP application on a thread of this process.

mod answers;
mod application;
mod command;
mod crowds;
mod headers;
mod lives;

use std::time::Duration;

use fanfare::{Authorizer, Broadcast, BroadcastOptions, Builder, Closures, Server, SharedOptions};

use crate::support::{DEADLINE, Running, UPGRADE, request};

/// The options of a server that asks the application under this URL, for as long as a test may
/// take.
fn asking(url: &str) -> BroadcastOptions {
    asking_for(url, DEADLINE)
}

fn asking_for(url: &str, timeout: Duration) -> BroadcastOptions {
    BroadcastOptions {
        authorizer: Some(Authorizer { url: url.parse().unwrap(), timeout }),
        ..BroadcastOptions::default()
    }
}

fn start(options: BroadcastOptions) -> Running {
    start_with(options, |builder| builder.reactors(2))
}

/// Starts a server whose reactors ask by the same threads.
fn start_with(
    options: BroadcastOptions,
    limits: impl FnOnce(Builder<Closures>) -> Builder<Closures>,
) -> Running {
    let options = SharedOptions::new(options);
    let builder = limits(Server::builder().listen("127.0.0.1:0"));
    Running::start(move || builder.handler(move |_| Broadcast::new(options.clone())).bind())
}

/// Returns an opening handshake with these header lines.
fn handshake(target: &str, headers: &str) -> String {
    let upgrade: String = UPGRADE.iter().map(|line| format!("{line}\r\n")).collect();
    String::from_utf8(request("GET", target, &format!("{upgrade}{headers}"), "")).unwrap()
}
