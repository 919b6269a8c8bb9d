//! The Bloom filters that swarms are counted with.
//! Spec: BEP 33 § "Bloom Filters". In: addresses, other filters. Out: an estimate.

use std::net::IpAddr;

use sha1::{Digest as _, Sha1};

/// A set of addresses of which only the size can be known, in 256 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct BloomFilter([u8; Self::LENGTH]);

impl BloomFilter {
    /// Length in bytes.
    pub const LENGTH: usize = 256;
    const BITS: u16 = 2048;

    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; Self::LENGTH])
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// Adds an address.
    pub fn insert(&mut self, ip: IpAddr) {
        for (byte, bit) in Self::bits(ip) {
            if let Some(byte) = self.0.get_mut(byte) {
                *byte |= bit;
            }
        }
    }

    /// Whether an address may be in it.
    #[must_use]
    pub fn may_contain(&self, ip: IpAddr) -> bool {
        Self::bits(ip).iter().all(|(byte, bit)| self.0.get(*byte).is_some_and(|byte| byte & bit != 0))
    }

    /// Adds everything that the other holds.
    pub fn union(&mut self, other: &Self) {
        for (byte, other) in self.0.iter_mut().zip(&other.0) {
            *byte |= other;
        }
    }

    /// About how many addresses were added. Past some 6,000 it is of little worth. BEP 33 § "Calculating the estimate".
    #[must_use]
    pub fn estimate(&self) -> f64 {
        let bits = f64::from(Self::BITS);
        let zeros = self.0.iter().map(|byte| byte.count_zeros()).sum::<u32>();
        let zeros = f64::from(zeros).clamp(1.0, bits - 1.0);
        if self.0.iter().all(|byte| *byte == 0) {
            return 0.0;
        }
        (zeros / bits).ln() / (2.0 * (1.0 - 1.0 / bits).ln())
    }

    /// The two bits of an address: index of the byte, and mask.
    fn bits(ip: IpAddr) -> [(usize, u8); 2] {
        let hash: [u8; 20] = match ip.to_canonical() {
            IpAddr::V4(ip) => Sha1::digest(ip.octets()).into(),
            IpAddr::V6(ip) => Sha1::digest(ip.octets()).into(),
        };
        let [a, b, c, d, ..] = hash;
        [[a, b], [c, d]].map(|pair| {
            let index = u16::from_le_bytes(pair) % Self::BITS;
            (usize::from(index / 8), 1 << (index % 8))
        })
    }
}

impl Default for BloomFilter {
    fn default() -> Self {
        Self::new()
    }
}

impl From<[u8; 256]> for BloomFilter {
    fn from(bytes: [u8; 256]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for BloomFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BloomFilter(about {:.0})", self.estimate())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn bep_33s_test_vector_holds() {
        let mut filter = BloomFilter::new();
        for last in 0..=255 {
            filter.insert(Ipv4Addr::new(192, 0, 2, last).into());
        }
        for last in 0..=0x3e7 {
            filter.insert(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).into());
        }
        let hex: String = filter.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
        assert!(hex.starts_with("F6C3F5EAA07FFD91BDE89F777F26FB2BFF37BDB8FB2BBAA2FD3DDDE7BACFFF75EE7CCBAE"), "{hex}");
        assert!(
            hex.ends_with("62ABE8FF237279BFEFBFEEF5FFC5FEBFDFE5ADFFADFEE1FB737FFFFBFD9F6AEFFEEE76B6FD8F72EF"),
            "{hex}"
        );
        assert!((filter.estimate() - 1224.9308).abs() < 0.001, "{}", filter.estimate());
    }

    #[test]
    fn unions_count_what_is_in_both_once() {
        let (mut a, mut b) = (BloomFilter::new(), BloomFilter::new());
        assert_eq!(a.estimate(), 0.0);
        for last in 0..100 {
            a.insert(Ipv4Addr::new(10, 0, 0, last).into());
            b.insert(Ipv4Addr::new(10, 0, 0, last + 50).into());
        }
        a.union(&b);
        assert!((a.estimate() - 150.0).abs() < 10.0, "{}", a.estimate());
        assert!(a.may_contain([10, 0, 0, 149].into()));
    }
}
