//! How long pieces are: `262144`, `256KiB`, `256k`, `2^18`.

use std::str::FromStr;

/// Bytes per piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PieceLength(pub(crate) u32);

impl FromStr for PieceLength {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "say it as 262144, 256KiB, 256k or 2^18".to_owned();
        let bytes = match text.split_once('^') {
            Some((base, exponent)) => {
                let base: u64 = base.trim().parse().map_err(|_| wrong())?;
                base.checked_pow(exponent.trim().parse().map_err(|_| wrong())?)
            }
            None => {
                let digits = text.bytes().take_while(u8::is_ascii_digit).count();
                let (number, unit) = text.split_at(digits);
                let shift = match &*unit.trim_start().to_ascii_lowercase() {
                    "" | "b" => 0,
                    "k" | "kib" => 10,
                    "m" | "mib" => 20,
                    "kb" | "mb" => return Err(format!("{unit} may be 1000 or 1024: say KiB or MiB")),
                    _ => return Err(wrong()),
                };
                number.parse::<u64>().map_err(|_| wrong())?.checked_mul(1 << shift)
            }
        };
        let bytes = bytes.and_then(|bytes| u32::try_from(bytes).ok());
        match bytes {
            Some(bytes @ 1..=torrent_metainfo::MAX_PIECE_LENGTH) => Ok(Self(bytes)),
            _ => Err("pieces have 1 byte to 512 MiB".into()),
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
            "513MiB",
            "99999999999999999999",
        ] {
            assert!(text.parse::<PieceLength>().is_err(), "{text}");
        }
    }
}
