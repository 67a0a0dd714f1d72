//! Who may publish to a channel, and who may subscribe to it.

/// Which peers may publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum, serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "cli", serde(rename_all = "lowercase"))]
pub enum PublishPolicy {
    /// No peer: publishing is by POST with the publish key only, whatever a token says.
    None,
    /// Whoever presents a token that allows it, in its claim `publish`.
    Token,
    /// Every subscriber, on its own channel.
    All,
}

/// Which peers may subscribe to a channel, and read it by `GET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum, serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "cli", serde(rename_all = "lowercase"))]
pub enum SubscribePolicy {
    /// Every peer, without credentials.
    All,
    /// Whoever presents a token that allows it, in its claim `subscribe`.
    Token,
}
