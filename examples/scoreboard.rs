//! A scoreboard: a client with the key posts points, and all open pages show them at once.
//!
//! ```sh
//! cargo run --example scoreboard    # then open http://127.0.0.1:8080/ in some tabs
//! curl -H 'Authorization: Bearer umpire' -d 3 http://127.0.0.1:8080/blue
//! ```
//!
//! Each message is the whole board, so a page that has just connected needs nothing but the latest.
//! There is one reactor: the board belongs to its handler and needs no lock.

use std::collections::BTreeMap;

use fanfare::{
    Answer, ChannelName, CloseCode, Context, Handler, Message, Request, Response, Server, Upgrade,
    Value, Visitor,
};

/// The header of a client that may post. A real program reads the key from its configuration.
const KEY: &str = "Bearer umpire";

const PAGE: &str = r#"<!doctype html><title>Scoreboard</title><pre id="board">connecting</pre>
<script>
new WebSocket(location.href.replace("http", "ws")).onmessage =
  message => board.textContent = JSON.stringify(JSON.parse(message.data), null, 2);
</script>"#;

#[derive(Default)]
struct Scoreboard {
    points: BTreeMap<String, u64>,
}

impl Handler for Scoreboard {
    type Session = ();

    fn on_request(
        &mut self,
        visitor: &mut Visitor<'_>,
        request: &Request<'_>,
        body: &[u8],
    ) -> Answer {
        match request.method() {
            "GET" => Response::html(200, PAGE).into(),
            "POST" if request.header("Authorization") == Some(KEY) => {
                self.score(visitor, request.path().trim_start_matches('/'), body)
            }
            "POST" => Response::text(401, "the key is missing\n")
                .header("WWW-Authenticate", "Bearer")
                .into(),
            _ => Response::text(405, "GET or POST\n").header("Allow", "GET, POST").into(),
        }
    }

    fn on_upgrade(&mut self, _visitor: &mut Visitor<'_>, _request: &Request<'_>) -> Upgrade<()> {
        Upgrade::Accept(())
    }

    fn on_open(&mut self, peer: &mut Context<'_, ()>) {
        // The board is sent after subscribing, so no change between the two is missed.
        if ChannelName::parse("board").is_ok_and(|board| peer.subscribe(board).is_ok()) {
            peer.send(Message::text(&self.board()));
        } else {
            peer.close(CloseCode::TRY_AGAIN_LATER, "the server is full");
        }
    }
}

impl Scoreboard {
    /// Adds points to a team and publishes the board. The answer is 204 once it is published.
    fn score(&mut self, visitor: &mut Visitor<'_>, team: &str, body: &[u8]) -> Answer {
        let points =
            std::str::from_utf8(body).ok().and_then(|text| text.trim().parse::<u64>().ok());
        let (Some(points), Ok(channel)) = (points, ChannelName::parse("board")) else {
            return Response::text(400, "the body is a number of points\n").into();
        };
        let total = self.points.entry(team.to_owned()).or_default();
        *total = total.saturating_add(points);
        match visitor.publish(channel, Message::text(&self.board())) {
            Ok(ticket) => Answer::Later(ticket),
            Err(_) => Response::text(503, "try again\n").header("Retry-After", "1").into(),
        }
    }

    fn board(&self) -> String {
        let teams = self.points.iter().map(|(team, points)| (team.clone(), Value::from(*points)));
        Value::Object(teams.collect()).to_string()
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let scoreboard = |_reactor| Scoreboard::default();
    let server = Server::builder().listen(address).reactors(1).handler(scoreboard).bind()?;
    eprintln!("listening on http://{}", server.local_addresses()[0]);
    server.run()
}
