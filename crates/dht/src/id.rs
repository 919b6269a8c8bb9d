//! Ids of nodes and keys, their distance, and ids bound to an address.
//! Spec: BEP 5 § "Overview" (distance), BEP 42 § "Node ID restriction". Never: luck; random bytes are arguments.

use std::{fmt, net::IpAddr, str::FromStr};

use torrent_types::{InfoHash, ParseHashError, Scope};

/// The 160 bits that name a node or a key. Keys are info hashes, and the targets of BEP 44.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; 20]);

/// How far apart two ids are: their XOR as a number. BEP 5 § "Overview".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance([u8; 20]);

impl Id {
    /// Length in bytes.
    pub const LENGTH: usize = 20;
    /// Length in bits.
    pub const BITS: u32 = 160;

    /// Wraps the raw bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The distance between two ids, which is the same in both directions.
    #[must_use]
    pub fn distance(&self, other: &Self) -> Distance {
        Distance(xor(&self.0, &other.0))
    }

    /// The id at this distance.
    #[must_use]
    pub fn at(&self, distance: &Distance) -> Self {
        Self(xor(&self.0, &distance.0))
    }

    /// How many leading bits both ids have in common, 0 to 160.
    #[must_use]
    pub fn common_prefix(&self, other: &Self) -> u32 {
        self.distance(other).leading_zeros()
    }

    /// An id that a node at `ip` may have. `random` gives the bits that the address leaves open. BEP 42 § "Node ID restriction".
    #[must_use]
    pub fn bound_to(ip: IpAddr, mut random: [u8; 20]) -> Self {
        let [first, second, third, .., last] = &mut random;
        let [a, b, c, _] = prefix(ip, *last).to_be_bytes();
        *first = a;
        *second = b;
        *third = (c & 0xf8) | (*third & 7);
        Self(random)
    }

    /// Whether a node at `ip` may have this id. Addresses of local networks may have any. BEP 42 § "Enforcement".
    #[must_use]
    pub fn is_bound_to(&self, ip: IpAddr) -> bool {
        if Scope::of(ip) != Scope::Global {
            return true;
        }
        let [a, b, c, .., last] = self.0;
        let difference = prefix(ip, last) ^ u32::from_be_bytes([a, b, c, 0]);
        difference & 0xffff_f800 == 0
    }

    /// This id with all bits from `from` (0 to 160) on replaced by those of `random`.
    #[must_use]
    pub(crate) fn with_tail(&self, from: u32, random: &Self) -> Self {
        let mut bytes = self.0;
        for (index, (byte, random)) in (0u32..).step_by(8).zip(bytes.iter_mut().zip(random.0)) {
            let keep = from.saturating_sub(index).min(8);
            let mask = 0xffu8.checked_shr(keep).unwrap_or(0);
            *byte = (*byte & !mask) | (random & mask);
        }
        Self(bytes)
    }

    /// This id with one bit (0 to 159, 0 is the most significant) turned over.
    #[must_use]
    pub(crate) fn with_flipped(mut self, bit: u32) -> Self {
        let byte = self.0.get_mut(usize::try_from(bit / 8).unwrap_or(usize::MAX));
        if let Some(byte) = byte {
            *byte ^= 0x80 >> (bit % 8);
        }
        self
    }
}

impl Distance {
    /// The largest there is.
    pub const MAX: Self = Self([0xff; 20]);

    /// The leading bits that are zero, 0 to 160.
    #[must_use]
    pub fn leading_zeros(&self) -> u32 {
        let mut zeros = 0u32;
        for byte in self.0 {
            zeros = zeros.saturating_add(byte.leading_zeros());
            if byte != 0 {
                break;
            }
        }
        zeros
    }
}

fn xor(a: &[u8; 20], b: &[u8; 20]) -> [u8; 20] {
    let mut out = *a;
    for (out, b) in out.iter_mut().zip(b) {
        *out ^= b;
    }
    out
}

/// The checksum that the first 21 bits of an id come from.
fn prefix(ip: IpAddr, random: u8) -> u32 {
    const V4_MASK: [u8; 4] = [0x03, 0x0f, 0x3f, 0xff];
    const V6_MASK: [u8; 8] = [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff];
    let mut bytes = [0; 8];
    let (ip, mask): (&[u8], &[u8]) = match &ip.to_canonical() {
        IpAddr::V4(ip) => (&ip.octets(), &V4_MASK),
        IpAddr::V6(ip) => (&ip.octets(), &V6_MASK),
    };
    for (out, (byte, mask)) in bytes.iter_mut().zip(ip.iter().zip(mask)) {
        *out = byte & mask;
    }
    let [first, ..] = &mut bytes;
    *first |= (random & 7) << 5;
    crc32c(bytes.iter().take(mask.len()))
}

/// CRC-32C (Castagnoli), bit by bit: the input is 4 or 8 bytes.
fn crc32c<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    const REVERSED_POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { REVERSED_POLYNOMIAL } else { 0 };
        }
    }
    !crc
}

impl From<InfoHash> for Id {
    fn from(hash: InfoHash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl From<Id> for InfoHash {
    fn from(id: Id) -> Self {
        Self::new(id.0)
    }
}

impl From<[u8; 20]> for Id {
    fn from(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Id {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Id {
    type Err = ParseHashError;

    /// Reads 40 hexadecimal digits of either case.
    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        text.parse::<InfoHash>().map(Self::from)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        InfoHash::new(self.0).fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Id({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bep_42s_test_vectors_hold() {
        for (ip, random, id) in [
            ("124.31.75.21", 1, "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
            ("21.75.31.124", 86, "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
            ("65.23.51.170", 22, "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
            ("84.124.73.14", 65, "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
            ("43.213.53.83", 90, "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
        ] {
            let (ip, id): (IpAddr, Id) = (ip.parse().unwrap(), id.parse().unwrap());
            assert!(id.is_bound_to(ip), "{ip}");
            let mut bytes = *id.as_bytes();
            assert_eq!(bytes[19], random);
            assert_eq!(Id::bound_to(ip, bytes), id, "{ip}");
            bytes[0] ^= 1;
            assert!(!Id::new(bytes).is_bound_to(ip), "{ip}");
        }
    }

    #[test]
    fn local_addresses_may_have_any_id() {
        for ip in ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.0.1", "::1", "fe80::1"] {
            assert!(Id::new([7; 20]).is_bound_to(ip.parse().unwrap()), "{ip}");
        }
    }

    proptest! {
        #[test]
        fn generated_ids_are_bound_to_their_address(v4 in any::<[u8; 4]>(), v6 in any::<[u8; 16]>(), random in any::<[u8; 20]>()) {
            for ip in [IpAddr::from(v4), IpAddr::from(v6)] {
                prop_assert!(Id::bound_to(ip, random).is_bound_to(ip));
            }
        }

        #[test]
        fn tails_keep_their_head(a in any::<[u8; 20]>(), b in any::<[u8; 20]>(), from in 0u32..=160) {
            let (a, b) = (Id::new(a), Id::new(b));
            let mixed = a.with_tail(from, &b);
            prop_assert!(mixed.common_prefix(&a) >= from);
            prop_assert_eq!(mixed.with_tail(0, &b), b);
            if from < 160 {
                prop_assert_eq!(a.with_flipped(from).common_prefix(&a), from);
            }
        }
    }
}
