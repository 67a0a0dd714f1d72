//! `fanfare sub`: subscribes to a channel and prints what arrives. When the server restarts, it
//! comes back.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use clap::ArgMatches;
use fanfare::CloseCode;
use fanfare::protocol::{
    ClientHandshake, Decoder, DecoderLimits, Event, Opcode, Role, encode_masked_close,
    encode_masked_frame,
};

use super::client::{Client, advice};
use super::client_tls::ClientTls;
use super::terminal::print_foreign;
use super::tls_flags::TlsFlags;
use super::token_flags::TokenFlags;
use super::url::{ChannelUrl, Url};

/// Subscribe to a channel and print its messages, one per line; on a terminal with control
/// characters escaped
#[derive(clap::Args)]
#[command(
    after_help = "When the server restarts (close code 1012), sub connects again, after half \
    a second to two and a half; it gives up when that has not worked for a minute. What is \
    published meanwhile is missed, and standard error says so.\n\n\
    Exit codes: 0 as many messages as --count have arrived, or the reader of the output has gone; \
    1 refused, closed by the server, or the connection lost; 2 the command line is wrong."
)]
pub(crate) struct Subscribe {
    /// The channel, such as news; or its whole URL, such as ws://localhost:8080/news or
    /// wss://example.com/news
    channel: String,
    /// Where the server is, if the channel is no URL
    #[arg(long, env = "FANFARE_URL", default_value = "http://localhost:8080")]
    url: Url,
    /// End after N messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    token: TokenFlags,
    #[command(flatten)]
    tls: TlsFlags,
}

/// The largest message accepted. The client does not know the server's limit.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A server that sends nothing for this long is considered dead: by default it pings every 25 s.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// How long a server may take to restart.
const RESTART_MAX: Duration = Duration::from_secs(60);

/// The wait before the next attempt to connect: at least `RETRY_MIN`, and a random part of
/// `RETRY_SPREAD` more, so that not all clients of a server come back at the same moment.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_SPREAD: Duration = Duration::from_millis(2000);

const MISSED: &str =
    "the server is restarting: connecting again; what is published meanwhile is missed";

/// How a subscription that the server had accepted has ended.
enum Ended {
    /// As many messages as the user asked for have arrived.
    Counted,
    /// The server has closed the connection with 1012, and will be back.
    Restarting,
}

/// Why a subscription was not made.
struct SubscribeError {
    /// A sentence for the user.
    text: String,
    /// The same request may succeed later.
    may_pass: bool,
}

impl Subscribe {
    pub(crate) fn run(&self, matches: &ArgMatches) -> Result<(), String> {
        let place = ChannelUrl::new(&self.channel, &self.url)?;
        let authorization = self.token.read(matches)?.map(|token| format!("Bearer {token}"));
        let authorization = authorization.as_deref();
        let tls = ClientTls::new(&place.server, &self.tls)?;
        let mut received = 0;
        let mut client = subscribe(&place, &tls, authorization).map_err(|refusal| refusal.text)?;
        loop {
            match self.print_messages(&mut client, &mut received)? {
                Ended::Counted => return Ok(()),
                Ended::Restarting => {
                    say(MISSED);
                    client = subscribe_again(&place, &tls, authorization)?;
                }
            }
        }
    }

    /// Prints what arrives until the subscription ends.
    fn print_messages(&self, client: &mut Client, received: &mut u64) -> Result<Ended, String> {
        let mut decoder = Decoder::new(Role::Client);
        let limits =
            DecoderLimits { message_bytes_max: MESSAGE_BYTES_MAX, ..DecoderLimits::UNLIMITED };
        let mut assembly = Vec::new();
        loop {
            let decoded = decoder
                .decode(&limits, &mut client.inbound, &mut assembly)
                .map_err(|error| format!("the server broke the protocol: {error}"))?;
            let consumed = decoded.consumed;
            let mut reply = Vec::new();
            let mut end = None;
            match decoded.event {
                Some(Event::Message(message)) => {
                    *received += 1;
                    print_foreign(message.payload(), "\n")?;
                    if Some(*received) == self.count {
                        encode_masked_close(&mut reply, CloseCode::NORMAL, "", mask()?);
                        end = Some(Ok(Ended::Counted));
                    }
                }
                Some(Event::Compressed(_)) => {
                    return Err("the server compresses, which was not agreed".to_owned());
                }
                Some(Event::Ping(payload)) => {
                    encode_masked_frame(&mut reply, Opcode::Pong, payload, mask()?);
                }
                Some(Event::Pong(_)) => {}
                Some(Event::Close(close)) => {
                    let code = close.map_or(CloseCode::NO_STATUS, |close| close.code);
                    let reason = close.map_or("", |close| close.reason);
                    let echoed = close.map_or(CloseCode::NORMAL, |close| close.code);
                    encode_masked_close(&mut reply, echoed, "", mask()?);
                    end = Some(match code {
                        CloseCode::SERVICE_RESTART => Ok(Ended::Restarting),
                        code => Err(format!("the server closed the connection: {code} {reason}")),
                    });
                }
                None => {}
            }
            let is_hungry = decoded.event.is_none();
            client.inbound.drain(..consumed);
            if !reply.is_empty() {
                // The server may close without reading the answer to its Close frame, so an error
                // of this write does not matter.
                let written = client.write(&reply);
                if end.is_none() {
                    written?;
                }
            }
            if let Some(end) = end {
                return end;
            }
            if is_hungry && client.read()? == 0 {
                return Err("the connection was lost: it ended without a Close frame".to_owned());
            }
        }
    }
}

/// Connects and performs the opening handshake.
fn subscribe(
    place: &ChannelUrl,
    tls: &ClientTls,
    authorization: Option<&str>,
) -> Result<Client, SubscribeError> {
    let may_pass = |text| SubscribeError { text, may_pass: true };
    let mut client = Client::connect(&place.server, tls).map_err(may_pass)?;
    let mut nonce = [0; 16];
    fill_random(&mut nonce).map_err(may_pass)?;
    let handshake = ClientHandshake::new(nonce);
    let mut request = Vec::new();
    let headers: Vec<_> = authorization.map(|value| ("Authorization", value)).into_iter().collect();
    handshake.write_request(&mut request, &place.server.authority, &place.target, &headers);
    client.write(&request).map_err(may_pass)?;
    let mut mistake = None;
    let answer = client.read_answer(|head| {
        mistake = handshake.check_response(head).err();
        Ok(())
    });
    let answer = answer.map_err(may_pass)?;
    let text = match mistake {
        None => {
            say(&format!("subscribed to {place}"));
            let set = client.wire.socket().set_read_timeout(Some(SILENCE_MAX));
            set.map_err(|error| may_pass(error.to_string()))?;
            return Ok(client);
        }
        Some(_) if answer.status != 101 => {
            let (status, body) = (answer.status, answer.body.trim_end());
            format!(
                "not subscribed to {place}: {status}: {body}{}",
                advice(status, authorization.is_some())
            )
        }
        Some(error) => format!("not subscribed to {place}: {error}"),
    };
    Err(SubscribeError { text, may_pass: matches!(answer.status, 408 | 429 | 500..) })
}

/// Subscribes to a channel of a server that is restarting.
fn subscribe_again(
    place: &ChannelUrl,
    tls: &ClientTls,
    authorization: Option<&str>,
) -> Result<Client, String> {
    let until = Instant::now() + RESTART_MAX;
    loop {
        let mut random = [0; 2];
        fill_random(&mut random)?;
        let part = f64::from(u16::from_ne_bytes(random)) / f64::from(u16::MAX);
        thread::sleep(RETRY_MIN + RETRY_SPREAD.mul_f64(part));
        match subscribe(place, tls, authorization) {
            Ok(client) => return Ok(client),
            Err(refusal) if refusal.may_pass && Instant::now() < until => {}
            Err(refusal) => return Err(refusal.text),
        }
    }
}

/// Prints a line for the user to standard error.
fn say(text: &str) {
    // If standard error cannot be written, messages can still be printed.
    let _ = writeln!(io::stderr(), "fanfare: {text}");
}

/// Returns an unpredictable masking key (RFC 6455 section 5.3).
fn mask() -> Result<[u8; 4], String> {
    let mut mask = [0; 4];
    fill_random(&mut mask)?;
    Ok(mask)
}

fn fill_random(bytes: &mut [u8]) -> Result<(), String> {
    getrandom::fill(bytes).map_err(|error| format!("there are no random numbers: {error}"))
}
