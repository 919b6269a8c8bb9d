//! How many bytes: `262144`, `256KiB`, `256k`, `2^18`.

use std::str::FromStr;

use crate::units;

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        units::parse_size(text).map(Self)
    }
}
