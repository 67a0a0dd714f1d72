//! Which channels treat slow subscribers in a way of their own.

use std::fmt;

use super::limits::SlowPolicy;
use super::name::ChannelName;

/// The [`SlowPolicy`] of single channels, where it is not the server's. The hub asks for it only
/// when it cuts off subscribers of a channel, so it keeps nothing for each channel, and whoever
/// publishes pays nothing.
pub struct SlowPolicies(Box<dyn Fn(ChannelName<'_>) -> Option<SlowPolicy> + Send>);

impl SlowPolicies {
    /// Makes the policies from a function that returns that of a channel, or `None` where the
    /// server's counts. It must be quick, must always return the same for one name, and must not
    /// panic: a panic ends the server.
    pub fn new(
        of: impl Fn(ChannelName<'_>) -> Option<SlowPolicy> + Send + 'static,
    ) -> SlowPolicies {
        SlowPolicies(Box::new(of))
    }

    /// Returns the policy of a channel; `None` if it is the server's.
    pub(crate) fn of(&self, channel: ChannelName<'_>) -> Option<SlowPolicy> {
        (self.0)(channel)
    }
}

impl fmt::Debug for SlowPolicies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlowPolicies(..)")
    }
}
