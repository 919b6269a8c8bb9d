//! Sizes and times for people.

use std::time::Duration;

use indicatif::{BinaryBytes, HumanDuration};

/// `12.3 MiB/s`.
pub(crate) fn rate(bytes_per_second: u64) -> String {
    format!("{}/s", BinaryBytes(bytes_per_second))
}

/// `12.3 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    BinaryBytes(bytes).to_string()
}

/// How long `rest` takes at this rate; `-` if for ever.
pub(crate) fn eta(rest: u64, bytes_per_second: u64) -> String {
    match rest.checked_div(bytes_per_second) {
        Some(seconds) => format!("{:#}", HumanDuration(Duration::from_secs(seconds))),
        None => "-".into(),
    }
}
