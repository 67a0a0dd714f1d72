//! A broadcast server whose rules a test replaces while it serves.

use std::sync::mpsc;

use fanfare::{Broadcast, BroadcastOptions, Reloader, Server, SharedOptions};

use crate::support::Running;

pub(crate) struct Reloading {
    pub(crate) server: Running,
    pub(crate) options: SharedOptions,
    reloader: Reloader,
}

impl Reloading {
    /// Starts a server with two reactors.
    pub(crate) fn start(options: BroadcastOptions) -> Reloading {
        let options = SharedOptions::new(options);
        let shared = options.clone();
        let (sender, receiver) = mpsc::channel();
        let server = Running::start(move || {
            let builder = Server::builder().listen("127.0.0.1:0").reactors(2);
            let server = builder.handler(move |_reactor| Broadcast::new(shared.clone())).bind()?;
            sender.send(server.reloader()).unwrap();
            Ok(server)
        });
        Reloading { server, options, reloader: receiver.recv().unwrap() }
    }

    pub(crate) fn reload(&self, options: BroadcastOptions) {
        self.options.replace(options);
        self.reloader.reload();
    }
}
