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

/// `256KiB`, where bytes are a whole number of such a unit.
pub(crate) fn exact(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    unit.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

/// How long `rest` takes at this rate; `-` where nothing comes.
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

/// `262144`, `256KiB`, `256k`, `1 GiB`, `2^18`: units are powers of 1024.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || "say it as 262144, 256KiB, 256k or 2^18".to_owned();
    let number = |digits: &str| digits.trim().parse::<u64>().map_err(|_| wrong());
    let bytes = match text.split_once('^') {
        Some((base, exponent)) => number(base)?.checked_pow(exponent.trim().parse().map_err(|_| wrong())?),
        None => {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, unit) = text.split_at(digits);
            let shift = match &*unit.trim_start().to_ascii_lowercase() {
                "" | "b" => 0,
                "k" | "kib" => 10,
                "m" | "mib" => 20,
                "g" | "gib" => 30,
                "t" | "tib" => 40,
                "kb" | "mb" | "gb" | "tb" => {
                    return Err(format!("{unit} may count by 1000 or by 1024: say KiB, MiB, GiB or TiB"));
                }
                _ => return Err(wrong()),
            };
            number(digits)?.checked_mul(1 << shift)
        }
    };
    bytes.ok_or_else(|| format!("{text} is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_the_usual_spellings() {
        for (text, bytes) in [
            ("0", 0),
            ("262144", 262_144),
            ("256k", 262_144),
            ("256KiB", 262_144),
            ("1 GiB", 1 << 30),
            ("2^18", 1 << 18),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "KiB", "-1", "1.5MiB", "1 apple", "99999999999999999999", "20000000000GiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
