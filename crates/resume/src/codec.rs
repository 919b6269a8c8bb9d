//! Records as bytes: one line with a version and a checksum, then a bencoded dictionary. A record that is cut, mixed from two
//! or changed in any byte is refused; unknown keys are passed over, so that an older program can read what a newer one wrote.

use std::{fmt::Write as _, path::PathBuf};

use sha2::{Digest as _, Sha256};
use torrent_bencode::{Document, Encoder, Node, Options};
use torrent_metainfo::InfoHashes;
use torrent_types::{Bitfield, InfoHash, InfoHashV2, MAX_PIECES, PieceIndex};

use crate::{FileState, PartialPiece, Record};

/// Begins each record of this version.
const MAGIC: &str = "torrent-resume 1 ";
/// A record longer than this is none: info dictionaries have 32 MiB at most, and files 100 bytes each here.
pub(crate) const MAX_LENGTH: usize = 256 << 20;

/// Why bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Its checksum is another: it was cut or changed.
    #[error("the record is damaged: its checksum is another")]
    Checksum,
    /// It is not a record, or of a version that this program does not know.
    #[error("not a record of version 1")]
    NotARecord,
    /// A value is missing or impossible, though the checksum is right.
    #[error("the record has no usable value for {0:?}")]
    Value(&'static str),
}

impl Record {
    /// As bytes, with their checksum.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        Encoder::new(&mut body).dict(|out| {
            out.put("added", self.added);
            out.put("downloaded", self.downloaded);
            out.list("files", |out| {
                for file in &self.files {
                    out.list(|out| {
                        if let Some(FileState { length, seconds, nanoseconds }) = file {
                            out.put(*length);
                            out.put(*seconds);
                            out.put(*nanoseconds);
                        }
                    });
                }
            });
            out.put("finished", self.finished);
            out.put("folder", self.folder.as_ref().map(|folder| folder.as_os_str().as_encoded_bytes().to_vec()));
            out.put("have", self.have.to_bytes());
            out.put("info", self.info.as_ref());
            out.list("partial", |out| {
                for partial in &self.partial {
                    out.list(|out| {
                        out.put(partial.piece.get());
                        out.put(&partial.blocks);
                    });
                }
            });
            out.put("paused", u8::from(self.paused));
            out.list("peers", |out| self.peers.iter().for_each(|peer| out.put(peer.to_string())));
            out.put("pieces", self.have.len());
            out.put("priorities", &self.priorities);
            out.list("trackers", |out| {
                for tier in &self.trackers {
                    out.list(|out| tier.iter().for_each(|url| out.put(url)));
                }
            });
            out.put("uploaded", self.uploaded);
            out.put("v1", self.info_hashes.v1().map(|hash| hash.as_bytes().to_vec()));
            out.put("v2", self.info_hashes.v2().map(|hash| hash.as_bytes().to_vec()));
        });
        seal(&body)
    }

    /// Reads what [`encode`](Self::encode) has made.
    ///
    /// # Errors
    /// If it is damaged in any way.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let rest = bytes.strip_prefix(MAGIC.as_bytes()).ok_or(DecodeError::NotARecord)?;
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or(DecodeError::NotARecord)?;
        let (sum, body) = rest.split_at_checked(end).ok_or(DecodeError::NotARecord)?;
        let body = body.get(1..).unwrap_or_default();
        if sum != checksum(body).as_bytes() {
            return Err(DecodeError::Checksum);
        }
        let options = Options::strict().max_bytes(MAX_LENGTH).max_tokens(usize::MAX);
        let document = Document::decode(body, &options).map_err(|_| DecodeError::NotARecord)?;
        read(&document.root()).ok_or(DecodeError::Value("info hash"))?
    }
}

/// Puts the line with the checksum before a body.
pub(crate) fn seal(body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{MAGIC}{}\n", checksum(body)).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn checksum(body: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(body) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// `None` without an info hash.
fn read(root: &Node<'_, '_>) -> Option<Result<Record, DecodeError>> {
    let v1 = root.find("v1").and_then(|hash| hash.as_array().copied()).map(InfoHash::new);
    let v2 = root.find("v2").and_then(|hash| hash.as_array().copied()).map(InfoHashV2::new);
    let mut record = Record::new(InfoHashes::new(v1, v2)?);
    Some(fill(root, &mut record).map(|()| record))
}

fn fill(root: &Node<'_, '_>, record: &mut Record) -> Result<(), DecodeError> {
    let number = |key: &'static str| root.find(key).and_then(|node| node.as_u64()).ok_or(DecodeError::Value(key));
    let bytes = |key: &'static str| root.find(key).and_then(|node| node.as_bytes().map(<[u8]>::to_vec));
    let pieces = u32::try_from(number("pieces")?).ok().filter(|pieces| *pieces <= MAX_PIECES);
    let pieces = pieces.ok_or(DecodeError::Value("pieces"))?;
    let have = bytes("have").ok_or(DecodeError::Value("have"))?;
    record.have = Bitfield::from_bytes(&have, pieces).map_err(|_| DecodeError::Value("have"))?;
    record.info = bytes("info");
    record.priorities = bytes("priorities").unwrap_or_default();
    record.folder = bytes("folder").and_then(|path| path_of(&path));
    (record.uploaded, record.downloaded) = (number("uploaded")?, number("downloaded")?);
    record.paused = number("paused")? != 0;
    record.added = root.find("added").and_then(|node| node.as_int());
    record.finished = root.find("finished").and_then(|node| node.as_int());
    let list = |key: &'static str| root.find(key).and_then(|node| node.as_list()).ok_or(DecodeError::Value(key));
    for file in list("files")? {
        let mut parts = file.as_list().ok_or(DecodeError::Value("files"))?.filter_map(|part| part.as_u64());
        let state = match (parts.next(), parts.next(), parts.next()) {
            (Some(length), Some(seconds), Some(nanoseconds)) => {
                let nanoseconds = u32::try_from(nanoseconds).map_err(|_| DecodeError::Value("files"))?;
                Some(FileState { length, seconds, nanoseconds })
            }
            (None, None, None) => None,
            _ => return Err(DecodeError::Value("files")),
        };
        record.files.push(state);
    }
    for partial in list("partial")? {
        let mut parts = partial.as_list().ok_or(DecodeError::Value("partial"))?;
        let piece = parts.next().and_then(|piece| u32::try_from(piece.as_u64()?).ok());
        let blocks = parts.next().and_then(|blocks| blocks.as_bytes().map(<[u8]>::to_vec));
        let (Some(piece), Some(blocks)) = (piece, blocks) else { return Err(DecodeError::Value("partial")) };
        record.partial.push(PartialPiece { piece: PieceIndex::new(piece), blocks });
    }
    let text = |node: Node<'_, '_>| node.as_str().map(str::to_owned);
    record.peers = list("peers")?.filter_map(|peer| peer.as_str()?.parse().ok()).collect();
    for tier in list("trackers")? {
        let tier = tier.as_list().ok_or(DecodeError::Value("trackers"))?;
        record.trackers.push(tier.filter_map(text).collect());
    }
    Ok(())
}

/// Paths of this system: bytes where these can be any, text elsewhere.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere not all bytes are a path")]
pub(crate) fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    Some(OsStr::from_bytes(bytes).into())
}

#[cfg(not(unix))]
pub(crate) fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    Some(std::str::from_utf8(bytes).ok()?.into())
}
