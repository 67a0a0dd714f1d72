//! Tests of what packages need: what the command tells systemd, its man pages and completions, and
//! that the page of codes is whole.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use assert_cmd::assert::OutputAssertExt;
use rustix::process::Signal;

use crate::support::{Program, ask_once, fanfare};

/// Waits for one message to the service manager.
fn told(manager: &UnixDatagram) -> String {
    let mut message = [0; 4096];
    let length = manager.recv(&mut message).expect("the service manager is told something");
    String::from_utf8_lossy(&message[..length]).into_owned()
}

#[test]
fn systemd_is_told_when_the_server_listens_and_when_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = fanfare(&["--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", &path);
    let (mut server, log) = Program::run(command);
    log.read_in_background();
    let ready = told(&manager);
    assert!(ready.starts_with("READY=1\n"), "{ready}");
    assert!(ready.contains(&format!("STATUS=listening on {}", server.url)), "{ready}");
    server.signal(Signal::TERM);
    assert_eq!(told(&manager), "STOPPING=1\nSTATUS=draining\n");
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn systemd_is_told_that_the_server_lives_where_it_has_a_watchdog() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = fanfare(&["--listen", "127.0.0.1:0", "--reactors", "2"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "300000");
    let (server, log) = Program::run(command);
    log.read_in_background();
    assert!(told(&manager).starts_with("READY=1\n"));
    for _ in 0..5 {
        assert_eq!(told(&manager), "WATCHDOG=1\n");
    }
    drop(server);
}

#[test]
fn a_service_manager_that_is_gone_does_not_keep_the_server_from_starting() {
    let mut command = fanfare(&["--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", "/nowhere/notify");
    let (server, mut log) = Program::run(command);
    log.wait_for("cannot notify the service manager");
    log.read_in_background();
    drop(server);
}

#[test]
fn man_pages_have_every_flag_and_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = fanfare(&["man"]);
    command.arg(directory.path()).env("FANFARE_PUBLISH_KEY", "hush-hush");
    command.assert().success();
    let page = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    let main = page("fanfare.1");
    assert!(main.contains(r"\-\-max\-connections\-per\-ip"), "{main}");
    assert!(page("fanfare-pub.1").contains(r"\-\-key\-file"));
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("hush"), "{text}");
    }
    fanfare(&["man", "/nowhere"]).assert().code(1);
}

#[test]
fn each_shell_has_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let output = fanfare(&["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("slow-policy") && script.contains("healthcheck"), "{script}");
    }
    fanfare(&["completions", "dos"]).assert().code(2);
}

#[test]
fn the_page_of_codes_has_every_reason_and_close_code() {
    let server = Program::start(&[]);
    let metrics = ask_once(server.address, "GET /-/metrics", &[], "").body;
    let label = |line: &str| {
        let rest = line.strip_prefix("fanfare_rejects_total{reason=\"")?;
        rest.split('"').next().map(str::to_owned)
    };
    let reasons: Vec<String> = metrics.lines().filter_map(label).collect();
    assert!(reasons.len() > 10, "{metrics}");
    let page = std::fs::read_to_string("docs/codes.md").unwrap();
    for reason in reasons {
        // Only programs that embed the library decline.
        assert_eq!(page.contains(&format!("`{reason}`")), reason != "declined", "{reason}");
    }
    for code in [1000, 1002, 1007, 1008, 1009, 1011, 1012, 1013, 4008, 4401, 4403, 4408, 4429] {
        assert!(
            page.contains(&format!("\n| {code}")) || page.contains(&format!(", {code} |")),
            "{code}"
        );
    }
}
