//! `ut_metadata`: the info dictionary, in blocks of 16 KiB. BEP 9 § "extension message".

mod attempt;
mod fetch;
mod outcome;
mod peer;
#[cfg(test)]
mod tests;

use std::fmt;

use torrent_bencode::{Document, Encoder};

use super::{MalformedPayload, options};
use crate::show;

pub use fetch::MetadataFetch;
pub use outcome::{Assembled, MetadataEvent, MetadataFault};

/// Length in bytes of every block of metadata but the last.
pub const METADATA_BLOCK_LENGTH: u32 = 16 * 1024;

/// How many blocks metadata of so many bytes has.
const fn block_count(size: u32) -> u32 {
    size.div_ceil(METADATA_BLOCK_LENGTH)
}

/// The length in bytes of a block of metadata of so many bytes; 0 if there is no such block.
fn block_length(size: u32, block: u32) -> u32 {
    size.saturating_sub(block.saturating_mul(METADATA_BLOCK_LENGTH)).min(METADATA_BLOCK_LENGTH)
}

/// A message of `ut_metadata`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataMessage<'a> {
    /// The sender wants this block.
    Request {
        /// Number of the block.
        piece: u32,
    },
    /// A block.
    Data {
        /// Number of the block.
        piece: u32,
        /// Length of the whole metadata in bytes, says the sender.
        total_size: u32,
        /// The bytes.
        data: &'a [u8],
    },
    /// The sender will not give this block.
    Reject {
        /// Number of the block.
        piece: u32,
    },
    /// A kind of message that BEP 9 does not know; to be ignored.
    Unknown {
        /// The value of `msg_type`.
        kind: i64,
    },
}

const REQUEST: u8 = 0;
const DATA: u8 = 1;
const REJECT: u8 = 2;

impl<'a> MetadataMessage<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// If it does not begin with a dictionary that has the necessary keys.
    pub fn decode(payload: &'a [u8]) -> Result<Self, MalformedPayload> {
        let (document, data) = Document::decode_prefix(payload, &options()).map_err(|_| MalformedPayload)?;
        let root = document.root();
        let number = |key: &str| root.find(key).and_then(|node| node.as_int()).ok_or(MalformedPayload);
        let small = |key: &str| u32::try_from(number(key)?).map_err(|_| MalformedPayload);
        let kind = number("msg_type")?;
        match u8::try_from(kind) {
            Ok(REQUEST) => Ok(Self::Request { piece: small("piece")? }),
            Ok(DATA) => Ok(Self::Data { piece: small("piece")?, total_size: small("total_size")?, data }),
            Ok(REJECT) => Ok(Self::Reject { piece: small("piece")? }),
            _ => Ok(Self::Unknown { kind }),
        }
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, piece, total_size, data): (i64, _, _, &[u8]) = match *self {
            Self::Request { piece } => (REQUEST.into(), Some(piece), None, &[]),
            Self::Data { piece, total_size, data } => (DATA.into(), Some(piece), Some(total_size), data),
            Self::Reject { piece } => (REJECT.into(), Some(piece), None, &[]),
            Self::Unknown { kind } => (kind, None, None, &[]),
        };
        let mut out = Vec::with_capacity(data.len().saturating_add(64));
        Encoder::new(&mut out).dict(|root| {
            root.put("msg_type", kind);
            root.put("piece", piece);
            root.put("total_size", total_size);
        });
        out.extend_from_slice(data);
        out
    }

    /// The answer to a request for block number `piece`: the block, or a reject if there is no such block or we do not
    /// have the metadata, or do not give it away (private torrents).
    #[must_use]
    pub fn answer(metadata: Option<&'a [u8]>, piece: u32) -> Self {
        let block = |metadata: &'a [u8]| {
            let total_size = u32::try_from(metadata.len()).ok()?;
            let begin = piece.checked_mul(METADATA_BLOCK_LENGTH).filter(|begin| *begin < total_size)?;
            let end = begin.saturating_add(METADATA_BLOCK_LENGTH).min(total_size);
            let data = metadata.get(begin as usize..end as usize)?;
            Some(Self::Data { piece, total_size, data })
        };
        metadata.and_then(block).unwrap_or(Self::Reject { piece })
    }
}

impl fmt::Debug for MetadataMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { piece } => write!(f, "Request({piece})"),
            Self::Data { piece, total_size, data } => {
                write!(f, "Data {{ piece: {piece}, total_size: {total_size}, data: {:?} }}", show::payload(data))
            }
            Self::Reject { piece } => write!(f, "Reject({piece})"),
            Self::Unknown { kind } => write!(f, "Unknown({kind})"),
        }
    }
}
