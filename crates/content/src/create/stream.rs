//! A torrent of what comes through a pipe: one file, read once, on this thread.

use std::io::{self, Read};

use torrent_hash::{PieceDigest, PieceHasher, V2Shape, merkle};
use torrent_metainfo::{Limits, Metainfo};
use torrent_types::{Geometry, MAX_PIECES};

use super::{
    Builder, CreateError, Plan,
    plan::{check_name, check_piece_length},
    write::{self, Hashes},
};

/// What pieces are if nobody says: the length of the content is not known before its end.
const PIECE_LENGTH: u32 = 1024 * 1024;
/// Bytes read at a time.
const READ_LENGTH: u32 = 128 * 1024;

impl Builder {
    /// Makes the torrent of a single file from its content, such as standard input. Files, order and threads do not matter.
    ///
    /// Pieces are of 1 MiB unless set.
    ///
    /// # Errors
    /// If no name is set, the content cannot be read, or the options do not go together.
    pub fn read(self, mut content: impl Read) -> Result<Metainfo, CreateError> {
        let name = self.name.clone().ok_or(CreateError::Name)?;
        check_name(&name)?;
        let piece_length = self.piece_length.unwrap_or(PIECE_LENGTH);
        check_piece_length(piece_length, self.version)?;
        let (v1, v2) = (self.version.has_v1(), self.version.has_v2());

        let mut hashes = Hashes::new(0, v1, v2);
        let mut total = 0_u64;
        loop {
            let (piece, length) = piece(&mut content, piece_length, v1, v2, total == 0)
                .map_err(|error| CreateError::Io { path: name.clone().into(), error })?;
            if length > 0 {
                hashes.push(piece);
                total = total.saturating_add(length);
            }
            if length < u64::from(piece_length) {
                break;
            }
            if total.div_ceil(piece_length.into()) > MAX_PIECES.into() {
                return Err(CreateError::TooManyPieces);
            }
        }
        let geometry = Geometry::new(total, piece_length).map_err(|_| CreateError::TooManyPieces)?;
        let plan = Plan::of_one_file(self, name, geometry);
        let limits = Limits::default().max_bytes(usize::MAX);
        Metainfo::from_bytes_within(write::torrent(&plan, &hashes), &limits).map_err(CreateError::Invalid)
    }
}

/// The hashes of the next piece, and its length: less than asked for at the end.
fn piece(content: &mut impl Read, length: u32, v1: bool, v2: bool, is_first: bool) -> io::Result<(PieceDigest, u64)> {
    // A file that ends in its first piece has no layer: the piece is its root. Where it ends is known at its end only.
    let height = merkle::height(length.into());
    let mut hasher = PieceHasher::new(v1, v2.then_some(V2Shape { content: length, height }));
    let mut done = 0_u32;
    let mut block = Vec::with_capacity(READ_LENGTH as usize);
    while done < length {
        let wanted = length.saturating_sub(done).min(READ_LENGTH);
        block.clear();
        let found = content.by_ref().take(wanted.into()).read_to_end(&mut block)?;
        let found = u32::try_from(found).unwrap_or(wanted);
        if found == 0 {
            break;
        }
        hasher.update(&block);
        done = done.saturating_add(found);
    }
    if is_first && done < length {
        hasher.end_file_here();
    }
    Ok((hasher.finish(), done.into()))
}
