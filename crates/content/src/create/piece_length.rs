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

#[cfg(test)]
mod tests {
    use super::*;

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
