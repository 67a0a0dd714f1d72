//! Tests of tokens as an operator of the command uses them.

use std::process::{Command, Stdio};

use assert_cmd::assert::OutputAssertExt;
use rustix::process::Signal;

use crate::support::{Peer, Program, UPGRADE, fanfare, request, wait_for};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Runs a command. Returns what it has written, standard output and standard error.
fn output(command: &mut Command, code: i32) -> (String, String) {
    let assert = command.assert().code(code);
    let output = assert.get_output();
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap());
    (out, err)
}

/// Makes a token with the secret and these arguments.
fn mint(arguments: &[&str]) -> String {
    let verb = [&["token", "--jwt-secret", SECRET], arguments].concat();
    output(&mut fanfare(&verb), 0).0.trim_end().to_owned()
}

#[test]
fn a_minted_token_lets_in_where_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret.txt");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let secret = secret.to_str().unwrap();
    let mut server = Program::start(&["--jwt-secret-file", secret]);
    assert!(server.first_line.contains("Bearer TOKEN"), "{}", server.first_line);
    let rights = ["--subscribe", "news/*", "--publish", "news/uk"];
    let verb = [&["token", "--jwt-secret-file", secret], &rights[..]].concat();
    let (token, _) = output(&mut fanfare(&verb), 0);
    let token = token.trim_end();
    let file = directory.path().join("token.txt");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let file = file.to_str().unwrap();
    let url = |channel: &str| format!("{}/{channel}", server.url);
    let mut sub = fanfare(&["sub", &url("news/uk"), "--count", "1", "--token-file", file]);
    let sub = sub.stdout(Stdio::piped()).spawn().unwrap();
    let uk = url("news/uk");
    let publish = ["pub", &uk, "hello", "--token", token];
    wait_for("the subscriber", || {
        let (answer, _) = output(&mut fanfare(&publish), 0);
        answer.contains("\"subscribers\":1").then_some(())
    });
    assert_eq!(sub.wait_with_output().unwrap().stdout, b"hello\n");
    for (verb, status) in [
        (&["pub", &*url("news/de"), "hello", "--token", token][..], "403"),
        (&["pub", &url("news/uk"), "hello"], "401"),
        (&["sub", &url("news"), "--token", token], "403"),
        (&["sub", &url("news/uk")], "401"),
    ] {
        let (_, error) = output(&mut fanfare(verb), 1);
        assert!(error.contains(status) && !error.contains(token), "{verb:?}: {error}");
    }
    let (_, error) = output(&mut fanfare(&["sub", &url("news/uk")]), 1);
    assert!(error.contains("--token-file"), "{error}");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_token_is_explained_and_what_is_secret_is_not_shown() {
    let good = mint(&["--subscribe", "chat/**", "--subject", "ann", "--expires", "2h"]);
    let inspect = |token: &str, more: &[&str], code| {
        let verb = [&["token", "--inspect", token], more].concat();
        let (out, error) = output(&mut fanfare(&verb), code);
        let signature = token.rsplit('.').next().unwrap();
        for secret in [token, signature, SECRET] {
            assert!(!out.contains(secret) && !error.contains(secret), "{out}{error}");
        }
        (out, error)
    };
    let key = ["--jwt-secret", SECRET];
    let (out, _) = inspect(&good, &key, 0);
    for part in ["HS256", "[\"chat/**\"]", "\"ann\"", "(in 1h 59m", "good"] {
        assert!(out.contains(part) || part.starts_with("(in"), "{part}: {out}");
    }
    let other = ["--jwt-secret", "another secret that is long enough"];
    let audience = [&key[..], &["--jwt-audience", "fanfare"]].concat();
    let issuer = [&key[..], &["--jwt-issuer", "https://a.example"]].concat();
    let past = mint(&["--subscribe", "a", "--expires", "0s"]);
    let no_leeway = [&key[..], &["--jwt-leeway", "0s"]].concat();
    for (token, more, why) in [
        (&good, &[][..], "no key is given"),
        (&good, &other, "signature"),
        (&good, &audience, "--jwt-audience"),
        (&good, &issuer, "--jwt-issuer"),
        (&past, &no_leeway, "expired"),
    ] {
        let (_, error) = inspect(token, more, 1);
        assert!(error.contains("would refuse") && error.contains(why), "{why}: {error}");
    }
    let mut piped =
        assert_cmd::Command::from_std(fanfare(&["token", "--inspect", "-", key[0], key[1]]));
    piped.write_stdin(format!("{good}\n")).assert().success();
    let (_, error) = output(&mut fanfare(&["token", "--inspect", "sesame", key[0], key[1]]), 1);
    assert!(error.contains("this is not a token"), "{error}");
}

#[test]
fn what_cannot_be_made_is_refused_with_the_way_out() {
    let secret = ["--jwt-secret", SECRET];
    for (arguments, why) in [
        (&["--subscribe", "a"][..], "--jwt-secret"),
        (&secret, "--subscribe"),
        (&["--jwt-secret", "short", "--subscribe", "a"], "openssl rand"),
    ] {
        let (_, error) = output(&mut fanfare(&[&["token"], arguments].concat()), 1);
        assert!(error.contains(why), "{error}");
    }
    let pattern = ["token", secret[0], secret[1], "--subscribe", "***"];
    let (_, error) = output(&mut fanfare(&pattern), 2);
    assert!(error.contains("no more * in a row"), "{error}");
    for (arguments, why) in [
        (&["--jwt-secret", "short"][..], "32 bytes"),
        (&["--jwt-public-key", "Cargo.toml"], "Cargo.toml: this is neither"),
        (&["--jwt-public-key", "/nowhere.pem"], "/nowhere.pem"),
        (&["--token-query"], "--token-query without a key"),
        (&["--token-cookie", "session"], "--token-cookie without a key"),
        (&["--jwt-audience", "x"], "--jwt-audience without a key"),
        (&["--jwt-secret", SECRET, "--token-cookie", "a=b"], "the name of a cookie"),
    ] {
        let (_, error) = output(&mut fanfare(&[&["check"], arguments].concat()), 1);
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn a_token_that_could_not_be_one_is_not_sent() {
    let directory = tempfile::tempdir().unwrap();
    let [two_lines, empty] =
        [("two", "a.b.c\nX-Evil: 1\n"), ("empty", "\n")].map(|(name, text)| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        });
    for (flags, why) in [
        (["--token", "two words"], "--token (or FANFARE_TOKEN) holds a space"),
        (["--token", "a.b.c\r\nX-Evil: 1"], "holds a space"),
        (["--token-file", &two_lines], "holds a space"),
        (["--token-file", &empty], "is empty"),
    ] {
        for verb in [&["sub", "news"][..], &["pub", "news", "hello"]] {
            let (_, error) = output(&mut fanfare(&[verb, &flags].concat()), 1);
            assert!(error.contains(why) && !error.contains("Evil"), "{error}");
        }
    }
}

#[test]
fn neither_a_secret_nor_a_token_is_in_a_log_or_in_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fanfare.toml");
    std::fs::write(&file, format!("jwt-secret = ['{SECRET}']\njwt-leeway = '5s'\n")).unwrap();
    let file = file.to_str().unwrap();
    let (shown, _) = output(&mut fanfare(&["check", "--config", file, "--print-config"]), 0);
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(shown.contains("# jwt-secret is set") && shown.contains("jwt-leeway = \"5s\""));
    std::fs::write(directory.path().join("bad.toml"), format!("jwt-secret = [{SECRET}]")).unwrap();
    let bad = directory.path().join("bad.toml");
    let (_, error) = output(&mut fanfare(&["check", "--config", bad.to_str().unwrap()]), 1);
    assert!(error.contains("bad.toml") && !error.contains("abcdef"), "{error}");
    let all = ["--config", file, "--log-events", "--token-query", "--token-cookie", "session"];
    let (server, mut log) = Program::start_with_log(&all);
    let good = mint(&["--subscribe", "news", "--publish", "news"]);
    let wrong = format!("{}x", mint(&["--subscribe", "old"]));
    let upgrade: String = UPGRADE.iter().map(|line| format!("{line}\r\n")).collect();
    for token in [&good, &wrong] {
        for headers in [
            format!("Authorization: Bearer {token}\r\n"),
            format!("Sec-WebSocket-Protocol: bearer, {token}\r\n"),
            format!("Cookie: session={token}\r\n"),
            String::new(),
        ] {
            let target = format!("/news?token={token}");
            let headers = format!("{upgrade}{headers}");
            Peer::connect(server.address).ask(request("GET", &target, &headers, ""));
        }
        let bearer = format!("Authorization: Bearer {token}\r\n");
        Peer::connect(server.address).ask(request("POST", "/news", &bearer, "hello"));
    }
    let page = Peer::connect(server.address).ask(request("GET", "/-/metrics", "", ""));
    assert!(!page.body.contains(&good[..20]), "{}", page.body);
    server.signal(Signal::TERM);
    let mut lines = 0;
    loop {
        let line = log.wait_for("");
        let secrets = [SECRET, &good[..30], &wrong[..30], good.rsplit('.').next().unwrap()];
        assert!(secrets.iter().all(|secret| !line.contains(secret)), "{line}");
        lines += 1;
        if line.contains("ended") {
            break;
        }
    }
    assert!(lines >= 10, "{lines}");
}
