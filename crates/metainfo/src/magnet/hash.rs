//! Info hashes as people write them. BEP 9 (`urn:btih`, hexadecimal or base32), BEP 52 (`urn:btmh`, a multihash).
//! In: text. Out: hashes, or what is wrong with which digit.

use std::{error, fmt, str::FromStr};

use torrent_types::{InfoHash, InfoHashV2};

use super::encoding::base32;
use crate::InfoHashes;

/// Multihash code of SHA2-256 and its length, 32, as hexadecimal digits.
pub(super) const SHA256_PREFIX: &str = "1220";

const HEX_V1: usize = 40;
const BASE32_V1: usize = 32;
const HEX_V2: usize = 64;
/// With [`SHA256_PREFIX`].
const MULTIHASH: usize = 68;

/// Why text is not an info hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashError {
    /// A character that is no digit of the base that the length asks for.
    Digit {
        /// The character.
        found: char,
        /// Its place; the first is 1.
        place: usize,
        /// 16 for hexadecimal, 32 for base32.
        base: u8,
    },
    /// Another number of digits than any info hash has.
    Length {
        /// How many there are.
        found: usize,
    },
    /// A multihash of another function than SHA2-256, or digits without the `1220` that says so.
    Multihash,
    /// A v2 hash after `urn:btih`.
    V2,
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Digit { found, place, base } => {
                let base = if base == 16 { "hexadecimal digit" } else { "base32 digit (a-z, 2-7)" };
                write!(f, "{found:?}, number {place}, is not a {base}")
            }
            Self::Length { found } => {
                write!(f, "{found} digits; an info hash has {HEX_V1} (v1), {BASE32_V1} (v1 in base32) or {HEX_V2} (v2)")
            }
            Self::Multihash => f.write_str("not a multihash of SHA2-256, which is 1220 and 64 hexadecimal digits"),
            Self::V2 => f.write_str("64 digits are a v2 hash, and that is written urn:btmh:1220 and the digits"),
        }
    }
}

impl error::Error for HashError {}

/// A v1 hash: 40 hexadecimal digits or 32 of base32.
pub(super) fn v1(text: &str) -> Result<InfoHash, HashError> {
    match text.chars().count() {
        HEX_V1 => text.parse().map_err(|_| bad_digit(text, 16)),
        BASE32_V1 => base32(text).map(InfoHash::new).ok_or_else(|| bad_digit(text, 32)),
        HEX_V2 => Err(HashError::V2),
        found => Err(HashError::Length { found }),
    }
}

/// A multihash of SHA2-256 in hexadecimal.
pub(super) fn multihash(text: &str) -> Result<InfoHashV2, HashError> {
    match text.strip_prefix(SHA256_PREFIX) {
        Some(digits) if digits.chars().count() == HEX_V2 => digits.parse().map_err(|_| bad_digit(text, 16)),
        Some(_) if text.chars().count() != HEX_V2 => Err(HashError::Length { found: text.chars().count() }),
        _ => Err(HashError::Multihash),
    }
}

/// The first character that is no digit.
fn bad_digit(text: &str, base: u8) -> HashError {
    let is_digit = |char: char| match base {
        16 => char.is_ascii_hexdigit(),
        _ => char.is_ascii_alphabetic() || matches!(char, '2'..='7'),
    };
    let bad = (1..).zip(text.chars()).find(|(_, char)| !is_digit(*char));
    bad.map_or(HashError::Length { found: 0 }, |(place, found)| HashError::Digit { found, place, base })
}

impl FromStr for InfoHashes {
    type Err = HashError;

    /// Reads a bare info hash: 40 or 64 hexadecimal digits, 32 of base32, a multihash, any of them after `urn:btih:` or
    /// `urn:btmh:`; and two hashes of a hybrid with `+` between them, as [`InfoHashes`] is printed.
    fn from_str(text: &str) -> Result<Self, HashError> {
        if let Some((first, second)) = text.split_once('+') {
            let both = Self::new(v1(first.trim())?.into(), any_v2(second.trim())?.into());
            return both.ok_or(HashError::Length { found: 0 });
        }
        let text = strip_prefix(text, "xt=").unwrap_or(text);
        let text = strip_prefix(text, "urn:").unwrap_or(text);
        if let Some(digits) = strip_prefix(text, "btih:") {
            return v1(digits).map(Self::from);
        }
        if let Some(digits) = strip_prefix(text, "btmh:") {
            return multihash(digits).map(Self::from);
        }
        match text.chars().count() {
            HEX_V2 | MULTIHASH => any_v2(text).map(Self::from),
            _ => v1(text).map(Self::from),
        }
    }
}

fn any_v2(text: &str) -> Result<InfoHashV2, HashError> {
    match text.chars().count() {
        HEX_V2 => text.parse().map_err(|_| bad_digit(text, 16)),
        _ => multihash(text),
    }
}

/// Takes `prefix` off, in any case.
pub(super) fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(tail)
}

/// Whether text of this form was meant to be an info hash, right or wrong: one word of digits, about as long as one.
pub(super) fn looks_like_hash(text: &str) -> bool {
    strip_prefix(text, "urn:bt").or_else(|| strip_prefix(text, "bti")).or_else(|| strip_prefix(text, "btm")).is_some()
        || ((30..=72).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        || text.split_once('+').is_some_and(|(first, _)| v1(first.trim()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "4090c3c2a394a49974dfbbf2ce7ad0db3cdeddd7";
    const V2: &str = "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e";

    fn read(text: &str) -> Result<InfoHashes, HashError> {
        text.parse()
    }

    #[test]
    fn every_form_of_an_info_hash_is_read() {
        let v1 = InfoHashes::from(V1.parse::<InfoHash>().unwrap());
        let v2 = InfoHashes::from(V2.parse::<InfoHashV2>().unwrap());
        let upper = V1.to_uppercase();
        let base32 = "ICIMHQVDSSSJS5G7XPZM46WQ3M6N5XOX";
        for text in
            [V1, &upper, base32, &base32.to_lowercase(), &format!("urn:btih:{V1}"), &format!("xt=URN:BTIH:{V1}")]
        {
            assert_eq!(read(text), Ok(v1), "{text}");
        }
        for text in [V2, &format!("1220{V2}"), &format!("urn:btmh:1220{V2}"), &V2.to_uppercase()] {
            assert_eq!(read(text), Ok(v2), "{text}");
        }
        let both = InfoHashes::new(v1.v1(), v2.v2()).unwrap();
        assert_eq!(read(&both.to_string()), Ok(both));
    }

    #[test]
    fn what_is_wrong_is_said_by_number_and_place() {
        for (text, message) in [
            (&V1[1..], "39 digits; an info hash has 40 (v1), 32 (v1 in base32) or 64 (v2)"),
            (&format!("{V1}0"), "41 digits; an info hash has 40 (v1), 32 (v1 in base32) or 64 (v2)"),
            (&V1.replace('9', "g"), "'g', number 3, is not a hexadecimal digit"),
            ("0CIMHQVDSSSJS5G7XPZM46WQ3M6N5XOX", "'0', number 1, is not a base32 digit (a-z, 2-7)"),
            (&format!("urn:btih:{V2}"), "64 digits are a v2 hash, and that is written urn:btmh:1220 and the digits"),
            (&format!("urn:btmh:{V2}"), "not a multihash of SHA2-256, which is 1220 and 64 hexadecimal digits"),
            ("urn:btmh:1220ff", "6 digits; an info hash has 40 (v1), 32 (v1 in base32) or 64 (v2)"),
            ("", "0 digits; an info hash has 40 (v1), 32 (v1 in base32) or 64 (v2)"),
            ("é", "1 digits; an info hash has 40 (v1), 32 (v1 in base32) or 64 (v2)"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), message, "{text}");
        }
    }
}
