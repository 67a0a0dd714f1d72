//! The terminal: it is taken over, redrawn when there is something new, and given back as it was,
//! also after a panic and at SIGINT, SIGTERM and SIGHUP.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::asking::{Asker, ChannelOrder, TopReply};
use super::board::Board;
use super::drawing::draw;

/// How long a key, a signal or news may have to wait.
const PATIENCE: Duration = Duration::from_millis(50);

/// Shows the board until the user ends it.
pub(super) fn run(board: Board, asker: Asker, interval: Duration) -> Result<(), String> {
    let is_ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_ended))
            .map_err(|error| format!("cannot watch for signals: {error}"))?;
    }
    let order = Arc::new(Mutex::new(board.sort));
    let (sender, news) = channel();
    let own = Arc::clone(&order);
    // It may have to wait for the server, and keys do not wait with it.
    thread::Builder::new()
        .name("asking".to_owned())
        .spawn(move || keep_asking(asker, interval, &own, &sender))
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    let unusable = |error: io::Error| format!("the terminal cannot be used: {error}");
    // A panic gives the terminal back too, before it is printed.
    let terminal = ratatui::try_init().map_err(unusable)?;
    let shown = Screen { board, order, news, is_ended }.show(terminal);
    ratatui::restore();
    shown.map_err(unusable)
}

/// Asks once in each interval, until nobody hears the answers any more.
fn keep_asking(
    mut asker: Asker,
    interval: Duration,
    order: &Mutex<ChannelOrder>,
    sender: &Sender<Result<TopReply, String>>,
) {
    loop {
        thread::sleep(interval);
        let order = *order.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.send(asker.ask(order)).is_err() {
            return;
        }
    }
}

/// What is needed to show the board.
struct Screen {
    board: Board,
    /// By what the asking thread has the channels sorted.
    order: Arc<Mutex<ChannelOrder>>,
    news: Receiver<Result<TopReply, String>>,
    /// A signal has ended the process.
    is_ended: Arc<AtomicBool>,
}

/// What a key means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    End,
    Sort(ChannelOrder),
}

impl Screen {
    fn show(mut self, mut terminal: DefaultTerminal) -> io::Result<()> {
        let mut is_new = true;
        while !self.is_ended.load(Ordering::Relaxed) {
            if std::mem::take(&mut is_new) {
                terminal.draw(|frame| draw(frame, &self.board))?;
            }
            if event::poll(PATIENCE)? {
                let event = event::read()?;
                match wish(&event) {
                    Some(Wish::End) => return Ok(()),
                    Some(Wish::Sort(order)) => {
                        self.board.sort = order;
                        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = order;
                    }
                    None => {}
                }
                is_new = true;
            }
            while let Ok(told) = self.news.try_recv() {
                self.board.take(told);
                is_new = true;
            }
        }
        Ok(())
    }
}

/// Returns what the user wishes. A terminal in raw mode makes no signal of Ctrl-C.
fn wish(event: &Event) -> Option<Wish> {
    let Event::Key(key) = event else { return None };
    if key.kind == KeyEventKind::Release {
        return None;
    }
    match key.code {
        KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => {
            Some(Wish::End)
        }
        KeyCode::Char('q') | KeyCode::Esc => Some(Wish::End),
        KeyCode::Char('s') => Some(Wish::Sort(ChannelOrder::Subscribers)),
        KeyCode::Char('r') => Some(Wish::Sort(ChannelOrder::Rate)),
        KeyCode::Char('l') => Some(Wish::Sort(ChannelOrder::Lag)),
        _ => None,
    }
}
