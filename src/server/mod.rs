//! A server made of reactors, and the broadcast server that the `fanfare` command runs.
//!
//! | file | holds |
//! |---|---|
//! | `builder`, `closures`, `bind_error` | what is set before a server listens |
//! | `listen_address`, `listeners` | where a server listens; the sockets |
//! | `instance`, `reloader` | a [`Server`] that runs; changes what can be changed meanwhile |
//! | `tls` | certificates and their keys |
//! | `closure_handler`, `custom_event` | the handler of programs with closures; custom events |
//! | `authorizer` | asks an application over HTTP whether a peer may connect |
//! | `broadcast`, `options`, `shared_options` | the standalone server as one handler; its rules |
//! | `route`, `rejection` | what a path stands for; why a request is not served |
//! | `channel_answers`, `channel_list` | the answers about channels; the list of them |
//! | `request_rules`, `access`, `publish_key` | what is allowed |
//! | `channel_access`, `policies` | who may publish to a channel and subscribe to it |
//! | `cors` | what a page of another origin may see of an answer |
//! | `credentials`, `token`, `jwt_key` | where a token is; whether it is good; the keys |
//! | `sign_in`, `ways_in`, `mark` | what a reload needs to judge a peer again |
//! | `address_counts` | what each address has done within a minute, for limits |
//! | `bearer_subprotocol`, `subprotocols` | a token in a subprotocol; which one is chosen |
//! | `channel_pattern`, `channel_rules` | which channels a token or a rule is for; the rules |
//! | `channel_rates` | the message rates of rules, by number |
//! | `pattern_search` | a name that some patterns cover and others do not |
//! | `rule_faults` | rules that never count, or contradict each other |
//! | `host`, `origin`, `rate` | names in Host, origins of pages; how often something may happen |
//! | `console` | the page for people |
//! | `metrics`, `process`, `reload_figures` | the text of `/-/metrics`; figures for it |
//! | `prometheus_text` | converts that text for scrapers which do not read it as it is |
//! | `access_log`, `event_log`, `refusal_log` | log lines for people |

#[cfg_attr(
    not(feature = "broadcast"),
    expect(dead_code, reason = "only the standalone server has reason to use all of it")
)]
mod access;
mod bind_error;
mod builder;
mod closure_handler;
mod closures;
mod custom_event;
mod host;
mod instance;
mod listen_address;
mod listeners;
mod origin;
mod reloader;
#[cfg(feature = "tls")]
mod tls;

// The standalone server.
#[cfg(feature = "broadcast")]
mod access_log;
#[cfg(feature = "broadcast")]
mod address_counts;
#[cfg(feature = "broadcast")]
mod authorizer;
#[cfg(feature = "broadcast")]
mod bearer_subprotocol;
#[cfg(feature = "broadcast")]
mod broadcast;
#[cfg(feature = "broadcast")]
mod channel_access;
#[cfg(feature = "broadcast")]
mod channel_answers;
#[cfg(feature = "broadcast")]
mod channel_list;
#[cfg(feature = "broadcast")]
mod channel_pattern;
#[cfg(feature = "broadcast")]
mod channel_rates;
#[cfg(feature = "broadcast")]
mod channel_rules;
#[cfg(feature = "broadcast")]
mod console;
#[cfg(feature = "broadcast")]
mod cors;
#[cfg(feature = "broadcast")]
mod credentials;
#[cfg(feature = "broadcast")]
mod event_log;
#[cfg(feature = "broadcast")]
mod jwt_key;
#[cfg(feature = "broadcast")]
mod mark;
#[cfg(feature = "broadcast")]
mod metrics;
#[cfg(feature = "broadcast")]
mod options;
#[cfg(feature = "broadcast")]
mod pattern_search;
#[cfg(feature = "broadcast")]
mod policies;
#[cfg(feature = "broadcast")]
mod process;
#[cfg(feature = "broadcast")]
mod prometheus_text;
#[cfg(feature = "broadcast")]
mod publish_key;
#[cfg(feature = "broadcast")]
mod rate;
#[cfg(feature = "broadcast")]
mod refusal_log;
#[cfg(feature = "broadcast")]
mod rejection;
#[cfg(feature = "broadcast")]
mod reload_figures;
#[cfg(feature = "broadcast")]
mod request_rules;
#[cfg(feature = "broadcast")]
mod route;
#[cfg(feature = "broadcast")]
mod rule_faults;
#[cfg(feature = "broadcast")]
mod shared_options;
#[cfg(feature = "broadcast")]
mod sign_in;
#[cfg(feature = "broadcast")]
mod subprotocols;
#[cfg(feature = "broadcast")]
mod token;
#[cfg(feature = "broadcast")]
mod ways_in;

#[cfg(feature = "broadcast")]
pub use address_counts::AddressCounts;
#[cfg(feature = "broadcast")]
pub use authorizer::{AuthorizeUrl, AuthorizeUrlError, Authorizer};
pub use bind_error::{BindError, LimitsError};
#[cfg(feature = "broadcast")]
pub use broadcast::{Broadcast, BroadcastSession};
pub use builder::{Builder, Factory};
#[cfg(feature = "broadcast")]
pub use channel_pattern::{ChannelPattern, ChannelPatternError};
#[cfg(feature = "broadcast")]
pub use channel_rules::{ChannelRule, ChannelRules, MessageRate, TooManyRules};
pub use closure_handler::{ClosureHandler, Closures, Peer};
pub use custom_event::event;
pub use instance::{Health, Publisher, Server, Stopper};
#[cfg(feature = "broadcast")]
pub use jwt_key::{JwtKey, JwtKeyError};
#[cfg(feature = "broadcast")]
pub use options::{BroadcastOptions, Reject};
pub use origin::{OriginPattern, OriginPatternError};
#[cfg(feature = "broadcast")]
pub use policies::{PublishPolicy, SubscribePolicy};
#[cfg(feature = "broadcast")]
pub use publish_key::{PublishKey, PublishKeyError};
#[cfg(feature = "broadcast")]
pub use reload_figures::ReloadFigures;
pub use reloader::Reloader;
#[cfg(feature = "broadcast")]
pub use rule_faults::RuleFault;
#[cfg(feature = "broadcast")]
pub use shared_options::SharedOptions;
#[cfg(feature = "tls")]
pub use tls::{ClientAuthorities, ServerTls, TlsCertificate, TlsError, TlsOptions, TlsProvider};
#[cfg(feature = "broadcast")]
pub use token::{AccessToken, TokenError};
