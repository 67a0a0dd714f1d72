//! The command: its configuration, its log, and SIGHUP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use tempfile::NamedTempFile;

use super::application::Application;
use super::handshake;
use crate::support::{Peer, Program, fanfare};

const NO: &str = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n";
const YES: &str = "HTTP/1.1 204 Yes\r\n\r\n";

#[test]
fn a_reload_brings_another_application_and_the_log_says_why_somebody_is_refused() {
    let (first, second) = (Application::that_says(NO), Application::that_says(YES));
    let file = NamedTempFile::with_suffix(".toml").unwrap();
    let write = |application: &Application| {
        let text =
            format!("authorize-url = \"{}\"\nauthorize-timeout = \"1m\"\n", application.url());
        std::fs::write(file.path(), text).unwrap();
    };
    write(&first);
    let path = file.path().to_str().unwrap();
    let (server, mut log) = Program::start_with_log(&["--config", path]);
    assert!(server.first_line.contains("add a --publish-key"), "{}", server.first_line);
    let status = || Peer::connect(server.address).ask(handshake("/news?key=hush", "")).status;
    assert_eq!(status(), 403);
    let line = log.wait_for("refused: ");
    assert!(line.contains("the application has answered 403"), "{line}");
    assert!(line.contains("forbidden_channel") && line.contains("/news"), "{line}");
    assert!(!line.contains("hush"), "{line}");
    write(&second);
    server.signal(Signal::HUP);
    let line = log.wait_for("SIGHUP: ");
    assert!(line.contains("in force now: authorize-url"), "{line}");
    assert_eq!(status(), 101);
    drop(second);
    log.read_in_background();
}

#[test]
fn a_proxy_that_the_environment_names_is_not_used() {
    let is_used = Arc::new(AtomicBool::new(false));
    let used = Arc::clone(&is_used);
    let proxy = Application::start(move |_, _| {
        used.store(true, Ordering::SeqCst);
        false
    });
    let application = Application::that_says(YES);
    let mut command = fanfare(&["--listen", "127.0.0.1:0", "--authorize-url", &application.url()]);
    for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"] {
        command.env(name, format!("http://{}", proxy.address));
    }
    let (server, log) = Program::run(command);
    assert_eq!(Peer::connect(server.address).ask(handshake("/news", "")).status, 101);
    assert!(!is_used.load(Ordering::SeqCst));
    log.read_in_background();
}

#[test]
fn check_knows_the_flags_and_the_environment() {
    let output = |variable: &str, arguments: &[&str]| {
        let mut command = fanfare(&["check"]);
        command.args(arguments).env("FANFARE_AUTHORIZE_URL", variable);
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, text) = output("http://app:8000/x", &["--print-config"]);
    assert!(code == Some(0) && text.contains("authorize-url = \"http://app:8000/x\""), "{text}");
    assert!(text.contains("authorize-timeout = \"1s\""), "{text}");
    let (code, text) = output("http://app:8000/x", &["--channel", "news"]);
    assert!(code == Some(0) && text.contains("subscribe    = asked"), "{text}");
    let (code, text) = output("https://app/x", &[]);
    assert!(code == Some(1) && text.contains("private network"), "{text}");
    let (code, text) = output("http://app/", &["--jwt-secret", &"x".repeat(32)]);
    assert!(code == Some(1) && text.contains("--authorize-url together with"), "{text}");
}
