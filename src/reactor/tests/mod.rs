//! Tests of one reactor, or several, in a simulated network.
//!
//! | module | holds |
//! |---|---|
//! | `app` | a small application; the path of a connection selects what it does |
//! | `frames`, `client` | the frame client of all tests, and a client over a simulated peer |
//! | `world` | reactors in a simulated network, and the invariants checked after every turn |
//! | `dice` | random choices |
//! | `steps` | a reactor's turn, step by step |
//! | `timed` | reactors whose calls and work take simulated time |
//! | `ledger` | the invariants between reactors |
//! | `opening`, `http`, `talking`, `pinging` | healthy connections |
//! | `compression` | permessage-deflate |
//! | `slow`, `torn`, `closing` | connections that are slow, interrupted or closed |
//! | `blocking` | connections with many subscriptions whose socket is full |
//! | `proxied`, `proxy_protocol` | connections that a trusted proxy brings |
//! | `publishing`, `accepting`, `draining` | what concerns many connections at once |
//! | `reviewing` | what a reload does to open connections and to limits |
//! | `serving` | what the application is told of what was served |
//! | `tls`, `tls_client` | encrypted connections; the client's side of TLS |
//! | `panics` | callbacks that panic |
//! | `many` | several reactors |
//! | `listing` | lists of channels |
//! | `standstill` | reactors that do not turn |
//! | `times` | what the histograms of turns and deliveries say |
//! | `latency` | how long turns take, and bystanders wait, while others flood, stall and leave |
//! | `million` | what a million connections cost |
//! | `swarm` | random runs of everything at once, each determined by a seed |

mod accepting;
mod app;
mod blocking;
mod client;
mod closing;
mod compression;
mod deferring;
mod dice;
mod draining;
mod expiring;
mod fairness;
#[cfg(test)]
#[path = "../../../tests/support/frames.rs"]
mod frames;
mod http;
mod latency;
mod ledger;
mod listing;
mod many;
mod million;
mod opening;
mod panics;
mod pinging;
mod proxied;
mod proxy_protocol;
mod publishing;
mod reviewing;
mod serving;
mod slow;
mod standstill;
mod steps;
mod swarm;
mod talking;
mod timed;
mod times;
mod tls;
mod tls_client;
mod torn;
mod world;
