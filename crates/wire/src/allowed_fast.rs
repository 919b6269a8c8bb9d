//! The allowed-fast set: the few pieces that a choked peer may have all the same. BEP 6 § "Allowed Fast Set Generation".
//! Never: whether to grant it, or how often.

use std::net::IpAddr;

use sha1::{Digest, Sha1};
use torrent_types::{InfoHash, PieceIndex};

/// How many pieces BEP 6 § "Allowed Fast" grants.
pub const ALLOWED_FAST_COUNT: usize = 10;

/// The pieces to grant the peer at `address`, in the order of the spec, so that `count` pieces are the first of `count + 1`.
/// All pieces if there are no more than `count`. Otherwise 500 draws are made at the most, as in libtorrent: a count near
/// to a large `piece_count` gives fewer.
///
/// IPv6: BEP 6 has no provisions. As in libtorrent, all 16 bytes of the address take the place of the masked IPv4
/// address. An IPv4 address mapped into IPv6 counts as what it is.
///
/// Deviation: libtorrent does not mask IPv4 addresses to 24 bits (step 1); we do, as the spec's test vectors do.
///
/// ```
/// use torrent_types::{InfoHash, PieceIndex};
/// use torrent_wire::allowed_fast_set;
///
/// let set = allowed_fast_set("80.4.4.200".parse()?, &InfoHash::new([0xaa; 20]), 1313, 3);
/// assert_eq!(set, [1059, 431, 808].map(PieceIndex::new));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn allowed_fast_set(address: IpAddr, info_hash: &InfoHash, piece_count: u32, count: usize) -> Vec<PieceIndex> {
    if usize::try_from(piece_count).is_ok_and(|piece_count| piece_count <= count) {
        return (0..piece_count).map(PieceIndex::new).collect();
    }
    let seed = match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Sha1::new().chain_update([a, b, c, 0])
        }
        IpAddr::V6(v6) => Sha1::new().chain_update(v6.octets()),
    };
    let mut hash = <[u8; 20]>::from(seed.chain_update(info_hash).finalize());

    let mut set = Vec::with_capacity(count.min(MAX_DRAWS));
    for _ in 0..MAX_DRAWS / 5 {
        for word in hash.as_chunks::<4>().0 {
            if set.len() == count {
                return set;
            }
            let index = u32::from_be_bytes(*word).checked_rem(piece_count).map(PieceIndex::new);
            set.extend(index.filter(|index| !set.contains(index)));
        }
        hash = Sha1::digest(hash).into();
    }
    set
}

const MAX_DRAWS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn set(address: &str, piece_count: u32, count: usize) -> Vec<u32> {
        let set = allowed_fast_set(address.parse().unwrap(), &InfoHash::new([0xaa; 20]), piece_count, count);
        set.into_iter().map(PieceIndex::get).collect()
    }

    #[test]
    fn bep6_example_results() {
        assert_eq!(set("80.4.4.200", 1313, 7), [1059, 431, 808, 1217, 287, 376, 1188]);
        assert_eq!(set("80.4.4.200", 1313, 9), [1059, 431, 808, 1217, 287, 376, 1188, 353, 508]);
    }

    /// The BEP has no vector for IPv6. This one is by Python's `hashlib`: SHA-1 of the 16 bytes and the info hash, and on.
    #[test]
    fn ipv6_addresses_count_whole() {
        let expected = [1161, 940, 1118, 646, 978, 1086, 899, 957, 775, 1126];
        assert_eq!(set("2001:db8::1", 1313, 10), expected);
    }

    #[test]
    fn neighbours_share_a_set_and_strangers_do_not() {
        assert_eq!(set("80.4.4.1", 1313, 9), set("80.4.4.200", 1313, 9));
        assert_ne!(set("80.4.5.200", 1313, 9), set("80.4.4.200", 1313, 9));
        assert_eq!(set("::ffff:80.4.4.200", 1313, 9), set("80.4.4.200", 1313, 9));
        assert_ne!(set("2001:db8::1", 1313, 9), set("2001:db8::2", 1313, 9));
    }

    #[test]
    fn small_torrents_are_granted_whole() {
        assert_eq!(set("80.4.4.200", 0, 10), []);
        assert_eq!(set("80.4.4.200", 3, 10), [0, 1, 2]);
        assert_eq!(set("80.4.4.200", 3, 3), [0, 1, 2]);
        assert_eq!(set("80.4.4.200", 3, 0), []);
    }

    #[test]
    fn sets_have_no_repetitions_and_bounded_work() {
        for piece_count in 11..100 {
            let mut set = set("2001:db8::1", piece_count, 10);
            set.sort_unstable();
            set.dedup();
            assert_eq!(set.len(), 10);
            assert!(set.iter().all(|&index| index < piece_count));
        }
        assert!(set("80.4.4.200", u32::MAX, 1_000_000).len() <= 500);
    }
}
