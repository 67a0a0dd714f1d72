//! `fanfare token`: makes a token, or explains one.

use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanfare::{BroadcastOptions, ChannelPattern, JwtKey, TokenError};
use jsonwebtoken::{EncodingKey, Header, dangerous, decode_header, encode};
use serde_json::{Map, Value, json};

use super::config::Secret;
use super::flag_values::Time;
use super::terminal::{harmless, print};
use super::token_keys;

/// Make a token that a server with the same --jwt-secret takes, or explain one
#[derive(clap::Args)]
#[command(
    after_help = "A pattern is the name of a channel, in which * stands for one or more characters \
    other than /, and ** for one or more of any.\n\n\
    Exit codes: 0 the token is printed, or the one that is inspected is good; 1 it is not, and \
    the output says why; 2 the command line is wrong."
)]
pub(crate) struct TokenVerb {
    /// The secret of the server
    #[arg(long, value_name = "SECRET", env = "FANFARE_JWT_SECRET", hide_env_values = true)]
    jwt_secret: Vec<Secret>,
    /// A file that holds the secret of the server
    #[arg(long, value_name = "FILE", env = "FANFARE_JWT_SECRET_FILE")]
    jwt_secret_file: Vec<PathBuf>,
    /// A file with public keys, to inspect a token that is signed by another program
    #[arg(long, value_name = "FILE", env = "FANFARE_JWT_PUBLIC_KEY")]
    jwt_public_key: Vec<PathBuf>,
    /// Channels that the token lets its bearer subscribe to and read
    #[arg(long, value_name = "PATTERN", conflicts_with = "inspect")]
    subscribe: Vec<ChannelPattern>,
    /// Channels that the token lets its bearer publish to
    #[arg(long, value_name = "PATTERN", conflicts_with = "inspect")]
    publish: Vec<ChannelPattern>,
    /// How long the token is good
    #[arg(long, value_name = "TIME", default_value = "1h", conflicts_with = "inspect")]
    expires: Time,
    /// Whom the token is for (sub); for people, the server does not read it
    #[arg(long, value_name = "TEXT", conflicts_with = "inspect")]
    subject: Option<String>,
    /// The issuer (iss), if the server asks for one
    #[arg(long, value_name = "TEXT", env = "FANFARE_JWT_ISSUER")]
    jwt_issuer: Option<String>,
    /// The audience (aud), if the server asks for one
    #[arg(long, value_name = "TEXT", env = "FANFARE_JWT_AUDIENCE")]
    jwt_audience: Option<String>,
    /// How long the server takes a token after it has expired
    #[arg(long, value_name = "TIME", env = "FANFARE_JWT_LEEWAY", default_value = "30s")]
    jwt_leeway: Time,
    /// Explain this token instead: what it says, and whether a server with these settings takes
    /// it; - reads it from the standard input, so that it is not in the list of processes
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    inspect: Option<String>,
}

/// The longest token that is read; a server takes less.
const INPUT_BYTES_MAX: u64 = 64 << 10;

impl TokenVerb {
    pub(crate) fn run(&self) -> Result<(), String> {
        let said = |error: super::config_error::ConfigError| error.to_string();
        let secrets = token_keys::secrets(&self.jwt_secret, &self.jwt_secret_file).map_err(said)?;
        let mut keys = token_keys::of_secrets(&secrets).map_err(said)?;
        for path in &self.jwt_public_key {
            keys.extend(token_keys::of_public_file(path).map_err(said)?);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        match &self.inspect {
            None => {
                let token = self.make(secrets.first(), now)?;
                print(|out| writeln!(out, "{token}"))
            }
            Some(token) => {
                let token = if token == "-" { read_token()? } else { token.clone() };
                let token = token.trim();
                let (text, refused) = self.explain(token, keys, now);
                print(|out| out.write_all(harmless(text.as_bytes()).as_bytes()))?;
                refused.map_or(Ok(()), Err)
            }
        }
    }

    /// Makes a token that begins now.
    fn make(&self, secret: Option<&String>, now: Duration) -> Result<String, String> {
        let secret = secret
            .ok_or("a token is signed with the server's --jwt-secret or --jwt-secret-file")?;
        if self.subscribe.is_empty() && self.publish.is_empty() {
            return Err("a token without --subscribe and --publish allows nothing".to_owned());
        }
        let mut claims = json!({
            "iat": now.as_secs(),
            "exp": now.saturating_add(self.expires.0).as_secs(),
        });
        let texts = |patterns: &[ChannelPattern]| -> Value {
            patterns.iter().map(ToString::to_string).collect()
        };
        let lists = [("subscribe", texts(&self.subscribe)), ("publish", texts(&self.publish))];
        for (claim, list) in lists {
            if list != json!([]) {
                claims[claim] = list;
            }
        }
        let named =
            [("sub", &self.subject), ("iss", &self.jwt_issuer), ("aud", &self.jwt_audience)];
        for (claim, text) in named {
            if let Some(text) = text {
                claims[claim] = json!(text);
            }
        }
        encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes()))
            .map_err(|error| format!("cannot sign: {error}"))
    }

    /// Returns what a token says, and why the server would refuse it, if it would. The text holds
    /// neither the token nor its signature, and of other claims only the names.
    fn explain(&self, token: &str, keys: Vec<JwtKey>, now: Duration) -> (String, Option<String>) {
        let mut text = String::new();
        let mut say = |name: &str, value: &str| text.push_str(&format!("{name:<10} {value}\n"));
        if let Ok(header) = decode_header(token) {
            say("alg", &format!("{:?}", header.alg));
            if let Some(kid) = &header.kid {
                say("kid", &Value::from(kid.as_str()).to_string());
            }
        }
        let claims = dangerous::insecure_decode_claims::<Map<String, Value>>(token);
        for (name, value) in claims.unwrap_or_default() {
            match name.as_str() {
                "exp" | "nbf" | "iat" => say(&name, &describe(&value, now)),
                "subscribe" | "publish" | "iss" | "aud" | "sub" => say(&name, &value.to_string()),
                _ => say(&Value::from(name).to_string(), "(not shown)"),
            }
        }
        let has_key = !keys.is_empty();
        let options = BroadcastOptions {
            jwt_keys: keys,
            jwt_issuer: self.jwt_issuer.clone(),
            jwt_audience: self.jwt_audience.clone(),
            jwt_leeway: self.jwt_leeway.0,
            ..BroadcastOptions::default()
        };
        let refused = match options.check_token(token, now) {
            Ok(_) => None,
            Err(TokenError::UnknownKey) if !has_key => {
                Some("no key is given, so its signature was not checked".to_owned())
            }
            Err(error) => Some(error.to_string()),
        };
        if refused.is_none() {
            say("verdict", "good");
        }
        (text, refused.map(|why| format!("the server would refuse this token: {why}")))
    }
}

/// Returns a moment as a date, and how far it is from now.
fn describe(value: &Value, now: Duration) -> String {
    // A year of four digits is all that can be written.
    const SECONDS_MAX: f64 = 253_402_300_799.0;
    let Some(seconds) = value.as_f64().filter(|one| (0.0..=SECONDS_MAX).contains(one)) else {
        return format!("{value} (not a moment)");
    };
    let seconds = Duration::from_secs(seconds as u64);
    let date = humantime::format_rfc3339_seconds(UNIX_EPOCH + seconds);
    let now = Duration::from_secs(now.as_secs());
    let distance = humantime::format_duration(seconds.abs_diff(now));
    match seconds < now {
        true => format!("{date} ({distance} ago)"),
        false => format!("{date} (in {distance})"),
    }
}

fn read_token() -> Result<String, String> {
    let mut token = String::new();
    let read = io::stdin().take(INPUT_BYTES_MAX).read_to_string(&mut token);
    read.map_err(|error| format!("cannot read the standard input: {error}"))?;
    Ok(token)
}
