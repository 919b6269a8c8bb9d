//! Peer addresses packed as trackers, PEX and DHT carry them: address, then port, both big-endian.
//! Spec: BEP 23 § "Compact Peer Lists" (6 bytes per peer), BEP 7 § "Announce Response" (18 bytes per peer).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Bytes of a packed IPv4 peer.
pub const V4_LENGTH: usize = 6;
/// Bytes of a packed IPv6 peer.
pub const V6_LENGTH: usize = 18;

/// The IPv4 peers in `bytes`. An incomplete entry at the end and peers with port 0 are left out.
pub fn decode_v4(bytes: &[u8]) -> impl Iterator<Item = SocketAddrV4> {
    bytes.as_chunks::<V4_LENGTH>().0.iter().filter_map(|&[a, b, c, d, high, low]| {
        let port = u16::from_be_bytes([high, low]);
        (port != 0).then(|| SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port))
    })
}

/// The IPv6 peers in `bytes`. An incomplete entry at the end and peers with port 0 are left out.
pub fn decode_v6(bytes: &[u8]) -> impl Iterator<Item = SocketAddrV6> {
    bytes.as_chunks::<V6_LENGTH>().0.iter().filter_map(|[address @ .., high, low]| {
        let port = u16::from_be_bytes([*high, *low]);
        (port != 0).then(|| SocketAddrV6::new(Ipv6Addr::from(*address), port, 0, 0))
    })
}

/// Appends 6 bytes for an IPv4 peer, 18 for an IPv6 one. An IPv4 address mapped into IPv6 counts as IPv4.
pub fn encode(address: SocketAddr, out: &mut Vec<u8>) {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn incomplete_entries_and_port_zero_are_left_out() {
        let bytes = [1, 2, 3, 4, 0, 80, 5, 6, 7, 8, 0, 0, 9];
        assert_eq!(decode_v4(&bytes).collect::<Vec<_>>(), ["1.2.3.4:80".parse().unwrap()]);
        assert_eq!(decode_v6(&[0; 40]).count(), 0);
    }

    proptest! {
        #[test]
        fn round_trips(v4 in any::<[u8; 4]>(), v6 in any::<[u8; 16]>(), port in 1u16..) {
            let mut bytes = Vec::new();
            let address = SocketAddrV4::new(v4.into(), port);
            encode(address.into(), &mut bytes);
            prop_assert_eq!(decode_v4(&bytes).collect::<Vec<_>>(), [address]);
            let address = SocketAddrV6::new(v6.into(), port, 0, 0);
            prop_assume!(address.ip().to_ipv4_mapped().is_none());
            bytes.clear();
            encode(address.into(), &mut bytes);
            prop_assert_eq!(decode_v6(&bytes).collect::<Vec<_>>(), [address]);
        }
    }
}
