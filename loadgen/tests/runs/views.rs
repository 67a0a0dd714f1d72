//! Tests of where the report and other lines are written, and that a run goes on if they cannot be.
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use serde_json::Value;

use crate::serve::Server;

fn command(server: &Server, flags: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args(["echo", &format!("ws://{}/", server.address), "-c", "2", "-W", "0"]);
    command.args(flags.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn full_device() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// Returns a pipe that nothing reads, filled completely.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    let full = loop {
        if let Err(error) = writer.write(&[b'x'; 4096]) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

#[test]
fn a_live_view_that_nobody_can_see_does_not_end_the_run() {
    let server = Server::start("--echo");
    let (closed_reader, closed) = std::io::pipe().unwrap();
    drop(closed_reader);
    let (_unread, full) = full_pipe();
    let views: [Stdio; 3] = [full_device(), closed.into(), full.into()];
    // The first line of the live view comes after five seconds.
    let runs = views.map(|view| command(&server, "--rate 200 -d 6").stderr(view).spawn().unwrap());
    for run in runs {
        let output = run.wait_with_output().unwrap();
        let report = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{report}");
        assert!(report.ends_with("PASSED\n"), "{report}");
    }
}

#[test]
fn what_check_says_step_by_step_may_go_nowhere() {
    let server = Server::start("--echo");
    let url = format!("ws://{}/", server.address);
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .arg(url)
        .stderr(full_device())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("the server echoes"));
}

#[test]
fn a_report_that_cannot_be_written_is_said_once_and_the_result_stands() {
    let server = Server::start("--echo");
    let html = path("kept.html");
    let others = format!("--html {}", html.display());
    for (flags, code) in [("", 0), ("--threshold service.p50<1ns", 99)] {
        for (to_file, words) in
            [(false, ""), (true, "-o /dev/full"), (true, "-o /dev/full --format json")]
        {
            let mut run = command(&server, &format!("-d 300ms {words} {flags} {others}"));
            if !to_file {
                run.stdout(full_device());
            }
            let output = run.output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{words}: {said}");
            assert_eq!(said.lines().count(), 1, "{words}: {said}");
            assert!(said.contains("No space left on device"), "{words}: {said}");
            assert!(std::fs::read_to_string(&html).unwrap().ends_with("</html>\n"));
            std::fs::remove_file(&html).unwrap();
        }
    }
}

#[test]
fn a_reader_who_has_left_is_not_missed() {
    let server = Server::start("--echo");
    for flags in ["", "--format json"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output =
            command(&server, &format!("-d 300ms {flags}")).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    }
}

#[test]
fn a_stored_report_that_cannot_be_shown_is_an_error() {
    let server = Server::start("--echo");
    let stored = path("shown.json");
    let output = command(&server, &format!("-d 300ms -o {}", stored.display())).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let show = |stdout: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        command.arg("report").arg(&stored).stdout(stdout).output().unwrap().status.code()
    };
    assert_eq!(show(full_device()), Some(1));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(show(writer.into()), Some(0));
    std::fs::remove_file(&stored).unwrap();
}

#[test]
fn a_file_has_the_format_of_its_name_and_the_text_appears_all_the_same() {
    let server = Server::start("--echo");
    for (name, begins) in [
        ("o.json", "{"),
        ("o.html", "<!DOCTYPE html>"),
        ("o.csv", "second,phase,"),
        ("o.hgrm", "       Value"),
        ("o.txt", "loadgen "),
        ("o", "loadgen "),
    ] {
        let file = path(name);
        let output = command(&server, &format!("-d 300ms -o {}", file.display())).output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{name}");
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(shown.starts_with("loadgen ") && shown.ends_with("PASSED\n"), "{name}: {shown}");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with(begins), "{name}: {text}");
        if name == "o.json" {
            let report: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(report["passed"], true);
        }
        std::fs::remove_file(&file).unwrap();
    }
}

#[test]
fn a_distribution_of_nothing_is_a_usage_error() {
    for words in ["hold ws://127.0.0.1:9/ --hdr x", "check ws://127.0.0.1:9/ -o x.hgrm"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        let output = command.args(words.split(' ')).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains("no latency"), "{said}");
    }
}
