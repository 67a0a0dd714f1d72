//! `fanfare sub`: subscribes to a channel and prints what arrives.

use std::time::Duration;

use fanfare::CloseCode;
use fanfare::protocol::{
    ClientHandshake, Decoder, DecoderLimits, Event, Opcode, Role, encode_masked_close,
    encode_masked_frame,
};

use super::client::{Client, Url};
use super::terminal::print_foreign;

/// Subscribe to a channel and print its messages, one per line; on a terminal with control
/// characters escaped
#[derive(clap::Args)]
pub(crate) struct Subscribe {
    /// The channel, such as news
    channel: String,
    /// Where the server is
    #[arg(long, env = "FANFARE_URL", default_value = "http://localhost:8080")]
    url: Url,
    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// The largest message accepted. The client does not know the server's limit.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A server that sends nothing for this long is considered dead: by default it pings every 25 s.
const SILENCE_MAX: Duration = Duration::from_secs(300);

impl Subscribe {
    pub(crate) fn run(&self) -> Result<(), String> {
        let mut client = Client::connect(&self.url)?;
        self.upgrade(&mut client)?;
        client.stream.set_read_timeout(Some(SILENCE_MAX)).map_err(|error| error.to_string())?;
        let mut decoder = Decoder::new(Role::Client);
        let limits =
            DecoderLimits { message_bytes_max: MESSAGE_BYTES_MAX, ..DecoderLimits::UNLIMITED };
        let mut assembly = Vec::new();
        let mut received = 0;
        loop {
            let decoded = decoder
                .decode(&limits, &mut client.inbound, &mut assembly)
                .map_err(|error| format!("the server broke the protocol: {error}"))?;
            let consumed = decoded.consumed;
            let mut reply = Vec::new();
            let mut end = None;
            match decoded.event {
                Some(Event::Message(message)) => {
                    received += 1;
                    print_foreign(message.payload(), "\n")?;
                    if Some(received) == self.count {
                        encode_masked_close(&mut reply, CloseCode::NORMAL, "", mask()?);
                        end = Some(Ok(()));
                    }
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
                    end = Some(Err(format!("the server closed the connection: {code} {reason}")));
                }
                None => {}
            }
            let is_hungry = decoded.event.is_none();
            client.inbound.drain(..consumed);
            if !reply.is_empty() {
                client.write(&reply)?;
            }
            if let Some(end) = end {
                return end;
            }
            if is_hungry && client.read()? == 0 {
                return Err("the connection was lost: it ended without a Close frame".to_owned());
            }
        }
    }

    /// Performs the opening handshake.
    fn upgrade(&self, client: &mut Client) -> Result<(), String> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)
            .map_err(|error| format!("there are no random numbers: {error}"))?;
        let handshake = ClientHandshake::new(nonce);
        let mut request = Vec::new();
        handshake.write_request(
            &mut request,
            &self.url.authority,
            &self.url.channel(&self.channel),
            &[],
        );
        client.write(&request)?;
        let mut mistake = None;
        let answer = client.read_answer(|head| {
            mistake = handshake.check_response(head).err();
            Ok(())
        })?;
        match mistake {
            None => Ok(()),
            Some(_) if answer.status != 101 => {
                Err(format!("not subscribed: {}: {}", answer.status, answer.body.trim_end()))
            }
            Some(error) => Err(format!("not subscribed: {error}")),
        }
    }
}

/// Returns an unpredictable masking key (RFC 6455 section 5.3).
fn mask() -> Result<[u8; 4], String> {
    let mut mask = [0; 4];
    getrandom::fill(&mut mask).map_err(|error| format!("there are no random numbers: {error}"))?;
    Ok(mask)
}
