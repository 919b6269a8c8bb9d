//! The one place where this crate reads a clock: cores get time as an argument.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "drivers read the clock for their cores")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
