//! How far an address leads: to this host, into the network around it, or across the internet.
//! Follows the special-purpose address registries of RFC 6890 and the rules that follow from them for BitTorrent: BEP 11 and
//! trackers may name any address, so this decides which of those a client connects to.
//! In: an address, and the scope of the source that named it. Out: a [`Scope`], yes or no. Never: name resolution.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Ports below this one belong to system services. [`Scope::may_name`] refuses them.
pub const MIN_PEER_PORT: u16 = 1024;

/// How far away the host behind an address is. Ordered from near to far.
///
/// ```
/// use torrent_types::Scope;
///
/// let tracker = Scope::of([8, 8, 8, 8].into());
/// assert_eq!(tracker, Scope::Global);
/// // A tracker on the internet cannot send us to our own network, but one inside of it can.
/// let peer = "192.168.1.7:6881".parse()?;
/// assert!(!tracker.may_name(peer));
/// assert!(Scope::Local.may_name(peer));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a caller that forgets one would connect where it must not")]
pub enum Scope {
    /// This host: loopback, and the unspecified addresses that many systems treat like it.
    Host,
    /// The network around this host: private, link-local, unique local and site-local addresses, and the shared ones of a
    /// provider (RFC 6598).
    Local,
    /// The internet. The default: the source that may name least.
    #[default]
    Global,
    /// No single host: multicast, broadcast and reserved addresses.
    Nowhere,
}

impl Scope {
    /// The scope of an address. Addresses that carry an IPv4 address (mapped, 6to4, NAT64) have the scope of that one.
    #[must_use]
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => of_v4(ip),
            IpAddr::V6(ip) => of_v6(ip),
        }
    }

    /// Whether the address is one of this host or of the network around it. Several clients of one household share these, and
    /// elsewhere the same address is a different host.
    #[must_use]
    pub const fn is_local(self) -> bool {
        matches!(self, Self::Host | Self::Local)
    }

    /// Whether a source at this scope (a tracker, a peer that speaks PEX, a DHT node, a link from a web page: `Global`) may make
    /// us connect to `address`. If not, an attacker far away could have us speak to services that only we can reach.
    ///
    /// * The address is never nearer to us than its source.
    /// * It is never [`Nowhere`](Self::Nowhere).
    /// * Its port is [`MIN_PEER_PORT`] or higher.
    ///
    /// An address that the user typed needs no permission: do not ask.
    #[must_use]
    pub fn may_name(self, address: SocketAddr) -> bool {
        let scope = Self::of(address.ip());
        scope != Self::Nowhere && scope >= self && address.port() >= MIN_PEER_PORT
    }
}

const fn of_v4(ip: Ipv4Addr) -> Scope {
    let [a, b, ..] = ip.octets();
    if a >= 240 || ip.is_multicast() {
        Scope::Nowhere
    } else if a == 0 || ip.is_loopback() {
        // Linux and others connect 0.0.0.0 to this host.
        Scope::Host
    } else if ip.is_private() || ip.is_link_local() || (a == 100 && b & 0xc0 == 64) {
        Scope::Local
    } else {
        Scope::Global
    }
}

const fn of_v6(ip: Ipv6Addr) -> Scope {
    if ip.is_loopback() || ip.is_unspecified() {
        return Scope::Host;
    }
    if ip.is_multicast() {
        return Scope::Nowhere;
    }
    // `is_unique_local` and its like miss the deprecated ranges that are still in use.
    match ip.segments() {
        // IPv4-mapped, 6to4 (RFC 3056) and NAT64 (RFC 6052) carry the IPv4 address that is reached in the end.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x2002, high, low, ..] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            of_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Unique local (RFC 4193), link-local, site-local (deprecated by RFC 3879, not gone), and the translator of a network
        // (RFC 8215).
        [0xfc00..=0xfdff | 0xfe80..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Scope::Local,
        // The rest of ::/8 is reserved (RFC 4291); 100::/64 discards everything (RFC 6666).
        [0..=0xff, ..] | [0x100, 0, 0, 0, ..] => Scope::Nowhere,
        _ => Scope::Global,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_have_the_scope_of_their_registry() {
        for (scope, addresses) in [
            (
                Scope::Global,
                &["8.8.8.8", "99.255.255.255", "100.128.0.1", "2606:4700::1", "200:1::1", "64:ff9b::8.8.8.8"][..],
            ),
            (Scope::Host, &["127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "2002:7f00:1::"]),
            (
                Scope::Local,
                &[
                    "10.1.2.3",
                    "172.16.0.1",
                    "192.168.1.1",
                    "169.254.169.254",
                    "100.64.0.1",
                    "fe80::1",
                    "fd00::1",
                    "fec0::1",
                    "64:ff9b:1::808:808",
                    "64:ff9b::10.0.0.1",
                ],
            ),
            (
                Scope::Nowhere,
                &["224.0.0.1", "240.0.0.1", "255.255.255.255", "ff02::1", "::7f00:1", "2002:e000:1::", "100::1"],
            ),
        ] {
            for ip in addresses {
                assert_eq!(Scope::of(ip.parse().unwrap()), scope, "{ip}");
            }
        }
    }

    #[test]
    fn a_source_names_nothing_nearer_than_itself() {
        let may = |source: Scope, address: &str| source.may_name(address.parse().unwrap());
        for (address, host, local, global) in [
            ("127.0.0.1:6881", true, false, false),
            ("192.168.0.9:6881", true, true, false),
            ("[fd00::9]:6881", true, true, false),
            ("93.184.216.34:6881", true, true, true),
            ("93.184.216.34:1023", false, false, false),
            ("127.0.0.1:22", false, false, false),
            ("255.255.255.255:6881", false, false, false),
            ("239.192.152.143:6771", false, false, false),
        ] {
            let found = [Scope::Host, Scope::Local, Scope::Global].map(|source| may(source, address));
            assert_eq!(found, [host, local, global], "{address}");
        }
    }

    proptest! {
        #[test]
        fn a_mapped_address_has_the_scope_of_the_address_in_it(ip: Ipv4Addr) {
            prop_assert_eq!(Scope::of(ip.to_ipv6_mapped().into()), Scope::of(ip.into()));
        }
    }
}
