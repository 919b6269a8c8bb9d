//! Bytes to a bencoded document that may be a torrent. In: bytes and limits. Out: the document, or what the bytes are instead.

use torrent_bencode::{Document, Options};

use crate::{Error, ErrorKind, Foreign, Limits, info::MAX_NESTING};

/// Reads a document from outside.
pub(crate) fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Document<'a>, Error> {
    if bytes.len() > limits.bytes() {
        return Err(Error::whole(ErrorKind::TooLong { found: bytes.len(), limit: limits.bytes() }));
    }
    let options = Options::lenient().max_depth(MAX_NESTING).max_bytes(limits.bytes()).max_tokens(limits.values());
    Document::decode(bytes, &options).map_err(|error| match error.kind() {
        torrent_bencode::ErrorKind::TokenLimit => Error::whole(ErrorKind::TooManyValues { limit: limits.values() }),
        _ => match Foreign::of(bytes) {
            Some(foreign) => Error::whole(ErrorKind::NotTorrent(foreign)),
            None => error.into(),
        },
    })
}

/// Reads a document that was read before, whatever its limits were.
pub(crate) fn read_again(bytes: &[u8]) -> Result<Document<'_>, torrent_bencode::Error> {
    Document::decode(bytes, &Options::lenient().max_depth(MAX_NESTING).max_bytes(usize::MAX).max_tokens(usize::MAX))
}

/// Takes off what some servers and editors put in front of a torrent: byte order marks and white space. The number is how many
/// bytes that is.
pub(crate) fn without_leading(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    loop {
        rest = match rest {
            [0xef, 0xbb, 0xbf, after @ ..] => after,
            [b' ' | b'\t' | b'\r' | b'\n', after @ ..] => after,
            _ => break,
        };
    }
    if rest.first() == Some(&b'd') { bytes.len().saturating_sub(rest.len()) } else { 0 }
}
