//! Which of two addresses to connect to first. Spec: BEP 40 § "Canonical Peer Priority".
//! Both ends compute the same number, so a swarm's graph is random and cannot be steered by one party.

use std::net::{IpAddr, SocketAddr};

/// The priority of a connection between `a` and `b`; higher is better.
#[must_use]
pub fn canonical_priority(a: SocketAddr, b: SocketAddr) -> u32 {
    match (a.ip().to_canonical(), b.ip().to_canonical()) {
        (x, y) if x == y => {
            let (low, high) = (a.port().min(b.port()), a.port().max(b.port()));
            crc32c(low.to_be_bytes().into_iter().chain(high.to_be_bytes()))
        }
        (IpAddr::V4(x), IpAddr::V4(y)) => {
            let (x, y) = (x.octets(), y.octets());
            // The more the addresses have in common, the more of their bits count.
            let mask = match x.iter().zip(&y).take_while(|(a, b)| a == b).count() {
                0 | 1 => [0xff, 0xff, 0x55, 0x55],
                2 => [0xff, 0xff, 0xff, 0x55],
                _ => [0xff; 4],
            };
            masked(&x, &y, &mask)
        }
        (IpAddr::V6(x), IpAddr::V6(y)) => {
            let (x, y) = (x.octets(), y.octets());
            let same = x.iter().zip(&y).take_while(|(a, b)| a == b).count();
            let mut mask = [0x55; 16];
            mask[..(same + 1).clamp(6, 16)].fill(0xff);
            masked(&x, &y, &mask)
        }
        (IpAddr::V4(x), IpAddr::V6(y)) | (IpAddr::V6(y), IpAddr::V4(x)) => {
            masked(&x.to_ipv6_mapped().octets(), &y.octets(), &[0xff; 16])
        }
    }
}

fn masked<const N: usize>(x: &[u8; N], y: &[u8; N], mask: &[u8; N]) -> u32 {
    let under = |address: &[u8; N]| std::array::from_fn::<u8, N, _>(|index| address[index] & mask[index]);
    let (x, y) = (under(x), under(y));
    let (low, high) = if x <= y { (x, y) } else { (y, x) };
    crc32c(low.into_iter().chain(high))
}

/// CRC-32C (Castagnoli), bit by bit: it runs once per address learnt.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priority(a: &str, b: &str) -> u32 {
        canonical_priority(a.parse().unwrap(), b.parse().unwrap())
    }

    #[test]
    fn bep40_examples() {
        assert_eq!(priority("123.213.32.10:0", "98.76.54.32:0"), 0xec2d_7224);
        assert_eq!(priority("123.213.32.10:0", "123.213.32.234:0"), 0x9956_8189);
    }

    #[test]
    fn both_ends_agree() {
        for (a, b) in [("1.2.3.4:5", "1.2.3.4:6"), ("[2001:db8::1]:1", "[2001:db8::2]:1"), ("1.2.3.4:1", "[::2]:1")] {
            assert_eq!(priority(a, b), priority(b, a));
        }
    }
}
