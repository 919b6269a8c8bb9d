//! Resume data of other clients: libtorrent and qBittorrent (`.fastresume`), Transmission (`.resume`), rtorrent
//! (`.libtorrent_resume` and `.rtorrent` of its session folder). What they say is a claim: the pieces count as had only after
//! the sizes agree and a sample of them was hashed, as with records of our own.

use std::{net::SocketAddr, path::PathBuf};

use torrent_bencode::{Document, Node, Options};
use torrent_metainfo::{InfoHashes, Metainfo};
use torrent_types::{BLOCK_LENGTH, Bitfield, Geometry, InfoHash, InfoHashV2, MAX_PIECES, PieceIndex};

use crate::{FileState, PartialPiece, Record, codec::path_of};

/// Resume data longer than this is none.
const MAX_LENGTH: usize = 64 << 20;

/// What another client has kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// As a record of ours. Times of files are known from Transmission only.
    pub record: Record,
    /// Which client's format it was.
    pub from: &'static str,
    /// Whether the other client says that files are named otherwise than in the torrent: then they are not found.
    pub renamed: bool,
}

/// Why resume data could not be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is not bencoded, or too long.
    #[error("not resume data: {0}")]
    NotBencode(String),
    /// No client that is known writes this.
    #[error("resume data of no known client")]
    Unknown,
    /// It is of another torrent.
    #[error("resume data of another torrent")]
    OtherTorrent,
    /// It names another number of pieces or files than the torrent has.
    #[error("the resume data does not fit the torrent: {0}")]
    Mismatch(&'static str),
}

/// Reads the resume data of another client for this torrent.
///
/// # Errors
/// If it is of no known client, or does not fit the torrent.
pub fn import(torrent: &Metainfo, bytes: &[u8]) -> Result<Imported, ImportError> {
    let options = Options::lenient().max_bytes(MAX_LENGTH);
    let document = Document::decode(bytes, &options).map_err(|error| ImportError::NotBencode(error.to_string()))?;
    let root = document.root();
    let info = torrent.info();
    let mut imported = Imported { record: Record::new(info.info_hashes()), from: "", renamed: false };
    imported.record.have = Bitfield::new(info.piece_count());
    if root.find("file-format").and_then(|node| node.as_str()) == Some("libtorrent resume file") {
        imported.from = "libtorrent";
        libtorrent(&root, info.geometry(), &mut imported)?;
    } else if root.find("progress").is_some_and(|progress| progress.as_dict().is_some()) {
        imported.from = "Transmission";
        transmission(&root, torrent, &mut imported)?;
    } else if root.find("bitfield").is_some() || root.find("uncertain_pieces.timestamp").is_some() {
        imported.from = "rtorrent";
        rtorrent(&root, &mut imported)?;
    } else {
        return Err(ImportError::Unknown);
    }
    Ok(imported)
}

/// `write_resume_data` of libtorrent; qBittorrent puts keys of its own beside these.
fn libtorrent(root: &Node<'_, '_>, geometry: Geometry, imported: &mut Imported) -> Result<(), ImportError> {
    let record = &mut imported.record;
    let v1 = root.find("info-hash").and_then(|hash| hash.as_array().copied()).map(InfoHash::new);
    let v2 = root.find("info-hash2").and_then(|hash| hash.as_array().copied()).map(InfoHashV2::new);
    if let Some(theirs) = InfoHashes::new(v1.filter(|hash| hash.as_bytes() != &[0; 20]), v2)
        && !theirs.agrees_with(&record.info_hashes)
    {
        return Err(ImportError::OtherTorrent);
    }
    // A byte per piece: bit 0 says that it is had, bit 1 that a seed in seed mode has verified it.
    let pieces = root.find("pieces").and_then(|node| node.as_bytes()).unwrap_or_default();
    if !pieces.is_empty() && u32::try_from(pieces.len()) != Ok(record.have.len()) {
        return Err(ImportError::Mismatch("pieces"));
    }
    for (piece, _) in geometry.pieces().zip(pieces).filter(|(_, flags)| *flags & 1 != 0) {
        record.have.set(piece);
    }
    // Where all pieces are had, newer versions say so by `seed_mode` alone.
    if pieces.is_empty() && root.find("seed_mode").and_then(|node| node.as_int()) == Some(1) {
        record.have = Bitfield::full(geometry.piece_count());
    }
    for partial in root.find("unfinished").and_then(|node| node.as_list()).into_iter().flatten() {
        let piece = partial.find("piece").and_then(|node| u32::try_from(node.as_u64()?).ok());
        let mask = partial.find("bitmask").and_then(|node| node.as_bytes());
        if let (Some(piece), Some(mask)) = (piece, mask)
            && piece < record.have.len()
        {
            // Theirs begin with the lowest bit of each byte.
            let blocks = mask.iter().map(|byte| byte.reverse_bits()).collect();
            record.partial.push(PartialPiece { piece: PieceIndex::new(piece), blocks });
        }
    }
    let number = |key: &str| root.find(key).and_then(|node| node.as_u64());
    let date = |key: &str| root.find(key).and_then(|node| node.as_int()).filter(|date| *date > 0);
    record.uploaded = number("total_uploaded").unwrap_or(0);
    record.downloaded = number("total_downloaded").unwrap_or(0);
    record.added = date("added_time");
    record.finished = date("completed_time");
    record.paused = number("paused") == Some(1);
    record.priorities =
        numbers(root, "file_priority").map(|priority| u8::try_from(priority).unwrap_or(u8::MAX)).collect();
    record.trackers = root
        .find("trackers")
        .and_then(|node| node.as_list())
        .into_iter()
        .flatten()
        .map(|tier| texts(tier.as_list().into_iter().flatten()))
        .collect();
    record.peers = compact_peers(root.find("peers").and_then(|node| node.as_bytes()).unwrap_or_default());
    let folder = root.find("qBt-savePath").or_else(|| root.find("save_path")).and_then(|node| node.as_bytes());
    record.folder = folder.and_then(path_of).filter(|folder| *folder != PathBuf::new());
    imported.renamed =
        root.find("mapped_files").and_then(|node| node.as_list()).is_some_and(|mut list| list.next().is_some());
    Ok(())
}

/// `resume.cc` of Transmission: `progress` has `blocks` ("all", "none" or a bitfield) and `mtimes`.
fn transmission(root: &Node<'_, '_>, torrent: &Metainfo, imported: &mut Imported) -> Result<(), ImportError> {
    let record = &mut imported.record;
    let geometry = torrent.info().geometry();
    let progress = root.find("progress").ok_or(ImportError::Unknown)?;
    let blocks = progress.find("blocks").and_then(|node| node.as_bytes()).unwrap_or(b"none");
    let all_blocks = geometry.total_length().div_ceil(BLOCK_LENGTH.into());
    match blocks {
        b"all" => record.have = Bitfield::full(geometry.piece_count()),
        b"none" | b"" => {}
        bits if u64::try_from(bits.len()) == Ok(all_blocks.div_ceil(8)) => {
            // Its blocks count from the beginning of the torrent, not of the piece.
            let is_here = |block: u64| {
                let byte = usize::try_from(block / 8).ok().and_then(|byte| bits.get(byte)).copied().unwrap_or(0);
                byte.checked_shl(u32::try_from(block % 8).unwrap_or(0)).unwrap_or(0) & 0x80 != 0
            };
            for piece in geometry.pieces() {
                let begin = geometry.piece_offset(piece);
                let end = begin.saturating_add(geometry.length_of(piece).into());
                let block = |offset: u64| offset.checked_div(BLOCK_LENGTH.into()).unwrap_or_default();
                let mut blocks = block(begin)..end.div_ceil(BLOCK_LENGTH.into());
                if blocks.all(is_here) {
                    record.have.set(piece);
                }
            }
        }
        _ => return Err(ImportError::Mismatch("blocks")),
    }
    let times: Vec<u64> = numbers(&progress, "mtimes").collect();
    let files = torrent.info().files().iter().filter(|file| !file.is_pad());
    record.files = files
        .zip(times.iter().map(Some).chain(std::iter::repeat(None)))
        .map(|(file, time)| {
            let seconds = time.copied().filter(|time| *time > 0)?;
            Some(FileState { length: file.length(), seconds, nanoseconds: 0 })
        })
        .collect();
    let number = |key: &str| root.find(key).and_then(|node| node.as_u64());
    let date = |key: &str| root.find(key).and_then(|node| node.as_int()).filter(|date| *date > 0);
    record.uploaded = number("uploaded").unwrap_or(0);
    record.downloaded = number("downloaded").unwrap_or(0);
    record.added = date("added-date");
    record.finished = date("done-date");
    record.paused = number("paused") == Some(1);
    record.folder = root.find("destination").and_then(|node| node.as_bytes()).and_then(path_of);
    let files = root.find("files").and_then(|node| node.as_list());
    imported.renamed = files.is_some_and(|list| list.count() > 0)
        && root.find("name").is_some_and(|name| name.as_str() != Some(torrent.info().name()));
    Ok(())
}

/// `resume` of rtorrent's session: a bitfield as in BEP 3, or the number of pieces where all are had or none.
fn rtorrent(root: &Node<'_, '_>, imported: &mut Imported) -> Result<(), ImportError> {
    let record = &mut imported.record;
    let count = record.have.len();
    let bitfield = root.find("bitfield").ok_or(ImportError::Mismatch("bitfield"))?;
    if let Some(pieces) = bitfield.as_u64() {
        match pieces {
            0 => {}
            all if all == u64::from(count) => record.have = Bitfield::full(count),
            _ => return Err(ImportError::Mismatch("bitfield")),
        }
    } else {
        let bytes = bitfield.as_bytes().unwrap_or_default();
        record.have = Bitfield::from_bytes(bytes, count).map_err(|_| ImportError::Mismatch("bitfield"))?;
    }
    let files = root.find("files").and_then(|node| node.as_list());
    record.priorities = files
        .into_iter()
        .flatten()
        .map(|file| file.find("priority").and_then(|node| u8::try_from(node.as_u64()?).ok()).unwrap_or(1))
        .collect();
    // Its pieces that were not synced before a crash are not to be trusted.
    let uncertain = root.find("uncertain_pieces").and_then(|node| node.as_bytes()).unwrap_or_default();
    for piece in uncertain.as_chunks::<4>().0 {
        let piece = u32::from_be_bytes(*piece);
        if piece < count.min(MAX_PIECES) {
            record.have.clear(PieceIndex::new(piece));
        }
    }
    Ok(())
}

fn numbers(node: &Node<'_, '_>, key: &str) -> impl Iterator<Item = u64> {
    let list = node.find(key).and_then(|node| node.as_list());
    let numbers: Vec<u64> = list.into_iter().flatten().map(|number| number.as_u64().unwrap_or(0)).collect();
    numbers.into_iter()
}

fn texts<'d, 'a: 'd>(nodes: impl Iterator<Item = Node<'d, 'a>>) -> Vec<String> {
    nodes.filter_map(|node| node.as_str().map(str::to_owned)).collect()
}

/// BEP 23 § "compact".
fn compact_peers(bytes: &[u8]) -> Vec<SocketAddr> {
    let peers = bytes.as_chunks::<6>().0.iter();
    peers
        .map(|[a, b, c, d, high, low]| SocketAddr::from(([*a, *b, *c, *d], u16::from_be_bytes([*high, *low]))))
        .collect()
}

#[cfg(test)]
mod tests;
