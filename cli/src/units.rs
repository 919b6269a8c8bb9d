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

/// So many bytes in so many seconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "for display")]
pub(crate) fn per_second(bytes: u64, seconds: f64) -> u64 {
    (bytes as f64 / seconds.max(0.001)) as u64
}

/// `262144`, `256k`, `256KiB`, `1 GiB`: powers of 1024.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_start().find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(format!("{unit:?} is no unit: KiB, MiB, GiB and TiB are")),
    };
    let number: u64 = number.parse().map_err(|_| format!("{text:?} does not begin with a number"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text} is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_the_usual_spellings() {
        for (text, bytes) in [("0", 0), ("262144", 262_144), ("256k", 262_144), ("256KiB", 262_144), ("1 GiB", 1 << 30)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "KiB", "-1", "1.5MiB", "1 apple", "99999999999999999999", "20000000000GiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
