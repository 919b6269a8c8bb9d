//! The one place where this crate reads a clock: cores get time as an argument.

use std::time::Instant;

/// Tokio's clock, so that a test that pauses its time moves everything: timers of tasks and deadlines of cores alike.
/// On a thread that is not the runtime's, the runtime has to be entered first.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
