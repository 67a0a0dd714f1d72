//! Which reactors stand still: those that have not begun a turn for a while, because a callback
//! does not return, or because the machine has no time for them. A reactor that has nothing to do
//! turns all the same, at least each `WAIT_MAX`.

use std::fmt;
use std::time::Duration;

/// A reactor that has not begun a turn for two seconds or more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standstill {
    /// The number of the reactor, from 0 on.
    pub reactor: usize,
    /// How long ago its last turn began.
    pub lasted: Duration,
}

/// `reactor 1 has stood still for 3.2 s`.
impl fmt::Display for Standstill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.lasted.as_secs_f64();
        write!(f, "reactor {} has stood still for {seconds:.1} s", self.reactor)
    }
}
