//! Tests of the programs in `examples/`: each is started as a process and used as its documentation
//! says.

use std::ffi::OsStr;
use std::process::Command;

use tungstenite::Message as Received;

use crate::support::{Peer, Program, Response, connect, request, try_connect};

/// Builds and starts an example in the profile of this test.
fn start(name: &str) -> Program {
    let own = std::env::current_exe().expect("a test knows its own file");
    let built = own.ancestors().nth(2).expect("it is in PROFILE/deps");
    let profile = built.file_name().and_then(OsStr::to_str).expect("a profile has a name");
    let profile = if profile == "debug" { "dev" } else { profile };
    let cargo = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--example", name, "--profile", profile])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(cargo.is_ok_and(|status| status.success()), "{name} is built");
    let mut command = Command::new(built.join("examples").join(name));
    command.arg("127.0.0.1:0");
    let (program, log) = Program::run(command);
    log.read_in_background();
    program
}

fn post(program: &Program, path: &str, headers: &str, body: &str) -> Response {
    Peer::connect(program.address).ask(request("POST", path, headers, body))
}

#[test]
fn the_chat_lets_members_into_their_rooms_and_nobody_else() {
    let chat = start("chat");
    let sign_in = |credentials: &str| {
        let response = post(&chat, "/login", "", credentials);
        assert_eq!(response.status, 200, "{credentials}");
        response
    };
    assert_eq!(post(&chat, "/login", "", "ada turing").status, 403);
    let ada = sign_in("ada lovelace");
    let cookie = ada.header("Set-Cookie").unwrap().split(';').next().unwrap();
    let alan = format!("Bearer {}", sign_in("alan turing").body.trim());

    let enter = |path, headers: &[(&'static str, &str)]| try_connect(chat.address, path, headers);
    let cookie = format!("theme=dark; {cookie}");
    let (mut at_adas, _) = enter("/rooms/engines", &[("Cookie", &cookie)]).unwrap();
    let (mut at_alans, _) = enter("/rooms/engines", &[("Authorization", &alan)]).unwrap();
    at_alans.send(Received::text("is it on?")).unwrap();
    for client in [&mut at_adas, &mut at_alans] {
        assert_eq!(client.read().unwrap(), Received::text("alan: is it on?"));
    }
    at_adas.send(Received::text("it is")).unwrap();
    for client in [&mut at_adas, &mut at_alans] {
        assert_eq!(client.read().unwrap(), Received::text("ada: it is"));
    }

    let guest = enter("/rooms/engines", &[]).unwrap_err();
    assert_eq!(guest.status(), 401);
    assert_eq!(guest.headers()["WWW-Authenticate"], "Bearer");
    for (path, token, status) in [
        ("/rooms/engines", "Bearer 0123456789abcdef0123456789abcdef", 401),
        ("/rooms/compilers", &*alan, 403),
        ("/rooms/nowhere", &*alan, 404),
        ("/", &*alan, 404),
    ] {
        let refused = enter(path, &[("Authorization", token)]).unwrap_err();
        assert_eq!(refused.status(), status, "{path} {token}");
    }
}

#[test]
fn the_scoreboard_shows_every_viewer_what_is_posted_with_the_key() {
    let scoreboard = start("scoreboard");
    let key = "Authorization: Bearer umpire\r\n";
    let mut early = connect(scoreboard.address, "/");
    assert_eq!(early.read().unwrap(), Received::text("{}"));
    assert_eq!(post(&scoreboard, "/blue", "", "3").status, 401);
    assert_eq!(post(&scoreboard, "/blue", key, "three").status, 400);
    assert_eq!(post(&scoreboard, "/blue", key, "3").status, 204);
    assert_eq!(early.read().unwrap(), Received::text(r#"{"blue":3}"#));
    let mut late = connect(scoreboard.address, "/");
    assert_eq!(late.read().unwrap(), Received::text(r#"{"blue":3}"#));
    assert_eq!(post(&scoreboard, "/red", key, "1").status, 204);
    assert_eq!(post(&scoreboard, "/blue", key, "2").status, 204);
    for viewer in [&mut early, &mut late] {
        assert_eq!(viewer.read().unwrap(), Received::text(r#"{"blue":3,"red":1}"#));
        assert_eq!(viewer.read().unwrap(), Received::text(r#"{"blue":5,"red":1}"#));
    }
    let page = Peer::connect(scoreboard.address).ask(request("GET", "/", "", ""));
    assert!(page.status == 200 && page.body.contains("new WebSocket"), "{page:?}");
}

#[test]
fn the_publisher_thread_is_heard_by_whoever_listens() {
    let program = start("publisher_thread");
    let mut listeners = [connect(program.address, "/"), connect(program.address, "/anything")];
    for listener in &mut listeners {
        let mut uptime = || -> u64 {
            let message = listener.read().unwrap();
            let text = message.to_text().unwrap();
            let number = text.strip_prefix("up for ").and_then(|rest| rest.strip_suffix(" ms"));
            number.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
        };
        let (first, second) = (uptime(), uptime());
        assert!(first < second, "{first} {second}");
    }
}
