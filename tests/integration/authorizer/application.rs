//! The application that is asked: a thread that takes connections, and one for each of them that
//! answers as the test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// An application. When it is dropped, it takes no more connections.
pub(super) struct Application {
    pub(super) address: SocketAddr,
    /// The heads of all questions, in the order in which they came.
    asked: Arc<Mutex<Vec<String>>>,
    is_over: Arc<AtomicBool>,
}

impl Application {
    /// Starts an application that answers each question with these bytes.
    pub(super) fn that_says(answer: impl Into<Vec<u8>>) -> Application {
        let answer = answer.into();
        Application::start(move |_, stream| stream.write_all(&answer).is_ok())
    }

    /// Starts an application. `answer` is given the head of each question, and returns whether the
    /// connection is kept for another.
    pub(super) fn start(
        answer: impl Fn(&str, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Application {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Application::serve(listener, answer)
    }

    pub(super) fn serve(
        listener: TcpListener,
        answer: impl Fn(&str, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Application {
        let address = listener.local_addr().unwrap();
        let (asked, is_over) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let application =
            Application { address, asked: Arc::clone(&asked), is_over: Arc::clone(&is_over) };
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &asked, &*answer));
            }
        });
        application
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/may-connect?site=1", self.address)
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // It takes this connection, and ends.
        let _ = TcpStream::connect(self.address);
    }
}

/// Answers the questions of one connection, one after the other.
fn serve(
    mut stream: TcpStream,
    asked: &Mutex<Vec<String>>,
    answer: &dyn Fn(&str, &mut TcpStream) -> bool,
) {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let mut some = [0; 4096];
            match stream.read(&mut some) {
                Ok(bytes) if bytes > 0 => read.extend_from_slice(&some[..bytes]),
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&read.drain(..end).collect::<Vec<_>>()).into_owned();
        asked.lock().unwrap().push(head.clone());
        if !answer(&head, &mut stream) {
            return;
        }
    }
}

/// Holds answers back until the test lets them go.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<(Mutex<usize>, Condvar)>);

impl Gate {
    /// Lets so many more pass.
    pub(super) fn let_pass(&self, more: usize) {
        let (passes, news) = &*self.0;
        *passes.lock().unwrap() += more;
        news.notify_all();
    }

    /// Waits until one more may pass.
    pub(super) fn wait(&self) {
        let (passes, news) = &*self.0;
        let mut left = news.wait_while(passes.lock().unwrap(), |left| *left == 0).unwrap();
        *left -= 1;
    }
}
