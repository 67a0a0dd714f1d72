//! The product as its users see it: the command, and the library over real sockets.

mod broadcast;
mod cli;
mod library;
