//! How long pieces are when nobody says.

use torrent_types::{BLOCK_LENGTH, MAX_PIECES};

use torrent_metainfo::MAX_PIECE_LENGTH;

/// The largest content for pieces of 16 KiB, 32 KiB, and so on up to 8 MiB. Four times the content, twice the piece: the
/// hashes grow with the square root.
const LIMITS: [u64; 10] = [
    2_684_355,
    10_737_418,
    42_949_673,
    171_798_692,
    687_194_767,
    2_748_779_069,
    10_995_116_278,
    43_980_465_111,
    175_921_860_444,
    703_687_441_777,
];

/// Bytes per piece for content of `length` bytes: the rule of libtorrent, so that the same files give the same info hash.
///
/// 16 KiB up to 2.6 MB of content, 256 KiB up to 687 MB, 1 MiB up to 11 GB, 4 MiB up to 176 GB, 16 MiB above 704 GB; twice
/// that and more where there would be over a million pieces.
#[must_use]
pub fn automatic_piece_length(length: u64) -> u32 {
    let doublings = LIMITS.iter().take_while(|limit| **limit < length).fold(0_u32, |count, _| count.saturating_add(1));
    let mut piece_length = BLOCK_LENGTH << doublings;
    while piece_length < MAX_PIECE_LENGTH && length.div_ceil(piece_length.into()) > u64::from(MAX_PIECES / 2) {
        piece_length = piece_length.saturating_mul(2);
    }
    piece_length
}

/// Bytes per piece for content of `length` bytes, with what the caller wishes: at most so many pieces, and none longer.
pub(super) fn wished_piece_length(length: u64, pieces: Option<u32>, longest: Option<u32>) -> u32 {
    let wished = match pieces {
        Some(pieces) => {
            let mut piece_length = BLOCK_LENGTH;
            while piece_length < MAX_PIECE_LENGTH && length.div_ceil(piece_length.into()) > u64::from(pieces.max(1)) {
                piece_length = piece_length.saturating_mul(2);
            }
            piece_length
        }
        None => automatic_piece_length(length),
    };
    // The next power of two that is not above.
    let longest = longest.map_or(MAX_PIECE_LENGTH, |longest| 1 << longest.max(BLOCK_LENGTH).ilog2());
    wished.min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_met_as_far_as_they_can() {
        for (length, pieces, longest, expected) in [
            (1 << 30, None, None, 512 << 10),
            (1 << 30, Some(1000), None, 2 << 20),
            (1 << 30, Some(1024), None, 1 << 20),
            (1 << 30, Some(0), None, 512 << 20),
            (1 << 40, Some(1), None, MAX_PIECE_LENGTH),
            (100, Some(1000), None, 16 << 10),
            (1 << 40, None, Some(4 << 20), 4 << 20),
            (1 << 40, None, Some((4 << 20) + 1), 4 << 20),
            (1 << 40, None, Some(1), 16 << 10),
            (1 << 30, None, Some(64 << 20), 512 << 10),
            (1 << 30, Some(10), Some(1 << 20), 1 << 20),
        ] {
            assert_eq!(wished_piece_length(length, pieces, longest), expected, "{length} {pieces:?} {longest:?}");
        }
    }

    #[test]
    fn as_libtorrent_chooses() {
        for (length, expected) in [
            (0, 16 << 10),
            (1, 16 << 10),
            (2_684_355, 16 << 10),
            (2_684_356, 32 << 10),
            (10_737_418, 32 << 10),
            (1 << 30, 512 << 10),
            (50 << 30, 4 << 20),
            (1 << 40, 16 << 20),
        ] {
            assert_eq!(automatic_piece_length(length), expected, "{length}");
        }
        assert!((100 << 40) / u64::from(automatic_piece_length(100 << 40)) < u64::from(MAX_PIECES));
        assert_eq!(automatic_piece_length(u64::MAX), MAX_PIECE_LENGTH);
    }
}
