//! What bytes are that are no torrent: web pages, archives, answers of trackers. For messages only.

use std::fmt;

use torrent_bencode::Node;

/// So much of a file is looked at.
const HEAD: usize = 4096;
/// So many characters that stand for lost bytes are no accident.
const MANY_LOST: usize = 8;

/// What was found in place of a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// Base64 of a torrent.
    Base64,
    /// bzip2.
    Bzip2,
    /// Bytes that are none of the others: content, most likely.
    Content,
    /// Nothing at all.
    Empty,
    /// gzip.
    Gzip,
    /// The `info` dictionary of a torrent, and nothing around it.
    InfoOnly,
    /// JSON.
    Json,
    /// A magnet link.
    Magnet,
    /// A torrent that some program took for text: bytes that are no UTF-8 are lost.
    Mangled,
    /// RAR.
    Rar,
    /// What another client keeps of a torrent to go on with it.
    ResumeFile,
    /// 7z.
    SevenZip,
    /// Text of no special kind.
    Text,
    /// What a tracker answers.
    TrackerAnswer,
    /// HTML.
    WebPage,
    /// XML.
    Xml,
    /// xz.
    Xz,
    /// zip.
    Zip,
    /// Zstandard.
    Zstandard,
}

impl Foreign {
    /// What bytes are that cannot be read as bencoding; `None` where it may be a damaged torrent.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD).unwrap_or(bytes);
        let magic: [(&[u8], Self); 7] = [
            (&[0x1f, 0x8b], Self::Gzip),
            (b"PK\x03\x04", Self::Zip),
            (b"BZh", Self::Bzip2),
            (&[0xfd, b'7', b'z', b'X', b'Z', 0], Self::Xz),
            (&[0x28, 0xb5, 0x2f, 0xfd], Self::Zstandard),
            (b"7z\xbc\xaf\x27\x1c", Self::SevenZip),
            (b"Rar!\x1a\x07", Self::Rar),
        ];
        if let Some((_, foreign)) = magic.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Some(*foreign);
        }
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        let lower: Vec<u8> = text.iter().take(256).map(u8::to_ascii_lowercase).collect();
        match text {
            [] if bytes.len() <= HEAD => Some(Self::Empty),
            [b'<', ..] if lower.starts_with(b"<?xml") && !contains(&lower, b"<html") => Some(Self::Xml),
            [b'<', ..] => Some(Self::WebPage),
            [b'{', ..] | [b'[', b'{' | b'"' | b'[', ..] => Some(Self::Json),
            [b'd', b'0'..=b'9', ..] => lost(bytes).then_some(Self::Mangled),
            _ if lower.starts_with(b"magnet:") => Some(Self::Magnet),
            // `d8:announce`, `d4:info` and the like.
            [b'Z', b'D', first, ..] if first.is_ascii_alphanumeric() && is_base64(text) => Some(Self::Base64),
            [b'd', b'e', ..] | [b'l', b'0'..=b'9' | b'd' | b'e' | b'i' | b'l', ..] | [b'i', b'0'..=b'9' | b'-', ..] => {
                None
            }
            [b'd'] => None,
            [b'0'..=b'9', ..] if has_length(text) => None,
            _ if is_text(head) => Some(Self::Text),
            _ => Some(Self::Content),
        }
    }

    /// What a dictionary is that has no `info`.
    pub(crate) fn of_dict(root: &Node<'_, '_>) -> Option<Self> {
        let has = |key: &str| root.find(key).is_some();
        if has("failure reason") || (has("interval") && has("peers")) {
            Some(Self::TrackerAnswer)
        } else if has("piece length") && (has("pieces") || has("file tree")) {
            Some(Self::InfoOnly)
        } else if has("file-format") || has("info-hash") || has("qBt-savePath") || has("bitfield") {
            Some(Self::ResumeFile)
        } else {
            None
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Whether U+FFFD stands where bytes were lost.
fn lost(bytes: &[u8]) -> bool {
    bytes.windows(3).filter(|window| *window == b"\xef\xbf\xbd").take(MANY_LOST).count() == MANY_LOST
}

fn is_base64(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\r' | b'\n'))
}

/// Whether it begins like a bencoded string.
fn has_length(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.get(digits) == Some(&b':')
}

fn is_text(head: &[u8]) -> bool {
    let is_text_byte = |byte: &u8| !byte.is_ascii_control() || byte.is_ascii_whitespace() || *byte == 0x1b;
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        // Cut in the middle of a character.
        Err(error) => error.error_len().is_none(),
    };
    valid && head.iter().all(is_text_byte)
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base64 => "base64 of a torrent; decode it first (base64 -d)",
            Self::Bzip2 => "compressed with bzip2, not a torrent; unpack it first (bunzip2)",
            Self::Content => "not a torrent; perhaps the content of one",
            Self::Empty => "empty",
            Self::Gzip => "compressed with gzip, not a torrent; unpack it first (gunzip)",
            Self::InfoOnly => "the info dictionary of a torrent without the torrent around it",
            Self::Json => "JSON, not a torrent",
            Self::Magnet => "a magnet link, not a torrent",
            Self::Mangled => "a torrent that was saved as text, which destroys it; get it again as a binary file",
            Self::Rar => "a rar archive, not a torrent; unpack it first",
            Self::ResumeFile => "what a client keeps to resume a torrent, not a torrent",
            Self::SevenZip => "a 7z archive, not a torrent; unpack it first",
            Self::Text => "text, not a torrent",
            Self::TrackerAnswer => "the answer of a tracker, not a torrent",
            Self::WebPage => "a web page, not a torrent; perhaps a login page or an error, so look at it in a browser",
            Self::Xml => "XML, not a torrent",
            Self::Xz => "compressed with xz, not a torrent; unpack it first (unxz)",
            Self::Zip => "a zip archive, not a torrent; unpack it first (unzip)",
            Self::Zstandard => "compressed with zstd, not a torrent; unpack it first (unzstd)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_in_place_of_torrents_is_recognised() {
        let mangled = ["d4:info".as_bytes(), "\u{fffd}".repeat(20).as_bytes()].concat();
        for (bytes, foreign) in [
            (&b"<!DOCTYPE html><html>"[..], Foreign::WebPage),
            (b"\n\n <html><head>", Foreign::WebPage),
            (b"<?xml version=\"1.0\"?><rss>", Foreign::Xml),
            (b"<?xml version=\"1.0\"?><!DOCTYPE html><html>", Foreign::WebPage),
            (b"{\"error\": \"not found\"}", Foreign::Json),
            (b"\x1f\x8b\x08\0", Foreign::Gzip),
            (b"PK\x03\x04\0\0", Foreign::Zip),
            (b"ZDg6YW5ub3VuY2U=\n", Foreign::Base64),
            (b"magnet:?xt=urn", Foreign::Magnet),
            (b"single file content, text", Foreign::Text),
            (b"404 Not Found", Foreign::Text),
            (b"download failed", Foreign::Text),
            (b"\x1aE\xdf\xa3 matroska", Foreign::Content),
            (b"\0\0\0\x18ftypmp42", Foreign::Content),
            (b"  \r\n", Foreign::Empty),
            (&mangled, Foreign::Mangled),
        ] {
            assert_eq!(Foreign::of(bytes), Some(foreign), "{}", String::from_utf8_lossy(bytes));
        }
        for bencode in [&b"d4:infod6:length"[..], b"le", b"i5", b"4:abc", b"d", b"de"] {
            assert_eq!(Foreign::of(bencode), None, "{}", String::from_utf8_lossy(bencode));
        }
    }
}
