//! Percent-escapes (RFC 3986 § "Percent-Encoding") and base32 (RFC 4648), as magnet links use them.

use std::fmt;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Undoes escapes. What is no escape stays; what is no UTF-8 becomes U+FFFD.
pub(super) fn decode_component(text: &str) -> String {
    decode(text, |byte| byte)
}

/// The same for text that people typed: forms turn a space into `+`.
pub(super) fn decode_form(text: &str) -> String {
    decode(text, |byte| if byte == b'+' { b' ' } else { byte })
}

fn decode(text: &str, plain: impl Fn(u8) -> u8) -> String {
    let mut bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    while let Some((&first, rest)) = bytes.split_first() {
        bytes = match rest.split_first_chunk::<2>() {
            Some((&[high, low], after)) if first == b'%' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push((digit(high) << 4) | digit(low));
                after
            }
            _ => {
                decoded.push(plain(first));
                rest
            }
        };
    }
    match String::from_utf8_lossy(&decoded) {
        std::borrow::Cow::Borrowed(text) => text.to_owned(),
        std::borrow::Cow::Owned(text) => text,
    }
}

fn digit(hex: u8) -> u8 {
    char::from(hex).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or_default()
}

/// Text as it may stand in a magnet link: everything but letters, digits and `-._~` is escaped.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                write!(f, "{}", char::from(byte))
            } else {
                let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().map(char::from).unwrap_or_default();
                write!(f, "%{}{}", digit(byte >> 4), digit(byte & 15))
            }
        })
    }
}

/// 20 bytes from 32 digits of either case.
pub(super) fn base32(text: &str) -> Option<[u8; 20]> {
    let (groups, []) = text.as_bytes().as_chunks::<8>() else { return None };
    let mut bytes = [0; 20];
    if groups.len() != 4 {
        return None;
    }
    for (bytes, group) in bytes.as_chunks_mut::<5>().0.iter_mut().zip(groups) {
        let value = group.iter().try_fold(0_u64, |value, byte| {
            let digit = match byte.to_ascii_lowercase() {
                byte @ b'a'..=b'z' => byte.checked_sub(b'a')?,
                byte @ b'2'..=b'7' => byte.checked_sub(b'2' - 26)?,
                _ => return None,
            };
            Some((value << 5) | u64::from(digit))
        })?;
        let [_, _, _, tail @ ..] = value.to_be_bytes();
        *bytes = tail;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_broken_ones_stay() {
        assert_eq!(decode_component("a%20b%2Bc+d%"), "a b+c+d%");
        assert_eq!(decode_form("a+b%2Bc"), "a b+c");
        assert_eq!(decode_component("%4g%4"), "%4g%4");
        assert_eq!(decode_component("%ff%C3%A9"), "\u{fffd}é");
        assert_eq!(decode_component("%+1%-1"), "%+1%-1");
    }

    #[test]
    fn everything_doubtful_is_escaped() {
        assert_eq!(Escaped("a é&=+~").to_string(), "a%20%C3%A9%26%3D%2B~");
    }

    #[test]
    fn base32_of_rfc_4648() {
        assert_eq!(base32(&"A".repeat(32)), Some([0; 20]));
        assert_eq!(base32(&"7".repeat(32)), Some([0xff; 20]));
        assert_eq!(base32("mzxw6ytboi======mzxw6ytboi======"), None);
        assert_eq!(base32(&"MZXW6YTB".repeat(4)), Some(*b"foobafoobafoobafooba"));
        assert_eq!(base32("A"), None);
        assert_eq!(base32(&"1".repeat(32)), None);
        assert_eq!(base32(&"é".repeat(16)), None);
    }
}
