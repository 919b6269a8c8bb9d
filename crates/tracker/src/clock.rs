//! The one place that reads a clock: tokio's, so that tests with paused time move it.

use std::time::Instant;

/// The present.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
