//! Tests of the product as its users see it, over real sockets: the command, the library, the
//! documented promises, and invalid bytes.

mod access_lines;
mod authorizer;
mod bad_bytes;
mod behind_proxies;
mod broadcast;
mod cli;
mod drain;
mod examples;
mod frame_client;
mod handlers;
mod http;
mod identities;
mod ledger;
mod library;
mod linger;
mod listeners;
mod neighbours;
mod operator;
mod packaging;
mod promises;
mod reload;
mod reloading;
mod shortage;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod tokens_of_the_command;
mod top;
