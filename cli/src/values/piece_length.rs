//! How long pieces are: `262144`, `256KiB`, `256k`, `2^18`.

use std::str::FromStr;

use torrent_metainfo::MAX_PIECE_LENGTH;

use crate::{limits, units};

/// Bytes per piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PieceLength(pub(crate) u32);

impl FromStr for PieceLength {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = units::parse_size(text)?;
        match u32::try_from(bytes) {
            // mktorrent and others count in powers of two, and nobody wants pieces of 18 bytes.
            Ok(exponent @ 10..=29) if text == exponent.to_string() => {
                Err(format!("{text} bytes? Say 2^{text} or {} if you mean that", units::exact(1 << exponent)))
            }
            Ok(bytes @ 1..=MAX_PIECE_LENGTH) => Ok(Self(bytes)),
            _ => Err(limits::PIECE_LENGTHS.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_ways_to_say_it() {
        for text in ["262144", "256KiB", "256k", "256K", "256 kib", "2^18", "262144b"] {
            assert_eq!(text.parse(), Ok(PieceLength(1 << 18)), "{text}");
        }
        assert_eq!("512MiB".parse(), Ok(PieceLength(1 << 29)));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "k",
            "0",
            "-1",
            "1.5M",
            "256KB",
            "2^30",
            "2^99999999999",
            "10^",
            "1g",
            "18",
            "513MiB",
            "99999999999999999999",
        ] {
            assert!(text.parse::<PieceLength>().is_err(), "{text}");
        }
    }
}
