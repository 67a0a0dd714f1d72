//! A server in this process, on a free port.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use fanfare::{
    BindError, Broadcast, BroadcastOptions, Builder, Closures, Handler, Publisher, Server, Stopper,
};

/// A server on a thread of its own. It is drained when this is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// The first address of an admin listener, if there is one.
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) publisher: Publisher,
    stopper: Stopper,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// Starts the broadcast server with default settings.
    pub(crate) fn broadcast() -> Running {
        Running::broadcast_with(BroadcastOptions::default(), |builder| builder)
    }

    /// Starts the broadcast server with these rules and limits.
    pub(crate) fn broadcast_with(
        options: BroadcastOptions,
        limits: impl FnOnce(Builder<Closures>) -> Builder<Closures>,
    ) -> Running {
        let builder = limits(Server::builder().listen("127.0.0.1:0"));
        Running::start(move || {
            builder.handler(move |_reactor| Broadcast::new(options.clone())).bind()
        })
    }

    /// Starts any server. `bind` is called on the thread that will run it.
    pub(crate) fn start<H: Handler>(
        bind: impl FnOnce() -> Result<Server<H>, BindError> + Send + 'static,
    ) -> Running {
        let (sender, handles) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let server = bind().expect("the server binds");
            let addresses =
                (server.local_addresses()[0], server.admin_addresses().first().copied());
            let handles = (addresses, server.publisher(), server.stopper());
            sender.send(handles).expect("the test waits for the server");
            server.run()
        });
        let ((address, admin), publisher, stopper) = handles.recv().expect("the server starts");
        Running { address, admin, publisher, stopper, thread: Some(thread) }
    }
}

impl Running {
    /// Begins a drain. The server goes on until all its peers have disconnected.
    pub(crate) fn drain(&self) {
        self.stopper.drain();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.stopper.stop();
            return;
        }
        self.stopper.drain();
        let thread = self.thread.take().expect("it is joined once");
        thread.join().expect("the server does not panic").expect("the server ends well");
    }
}
