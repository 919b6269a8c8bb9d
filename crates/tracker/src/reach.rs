//! Which addresses a tracker URL may lead to.
//! In: a resolved address, where the URL came from. Out: go or [`Refused::Address`].
//! Never: resolving names; the driver asks about the very address it connects to, so that a second lookup cannot differ.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    error::Refused,
    url::{Scheme, TrackerUrl},
};

/// Where a tracker's URL came from, which decides how far into the local network it may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Trust {
    /// From a torrent or a magnet link that anybody may have written. Over HTTP, local addresses (loopback, private networks,
    /// link-local) are reached only if the path begins with `/announce` or `/scrape`, so that trackers at home work and other
    /// services cannot be commanded. libtorrent has this rule for loopback. UDP reaches them: no service of another kind
    /// understands BEP 15's first packet.
    #[default]
    Torrent,
    /// Like `Torrent`, but local addresses are never reached.
    PublicOnly,
    /// The user typed it: any host that can be one.
    User,
}

/// May `url` lead to `ip`?
pub(crate) fn check(url: &TrackerUrl, ip: IpAddr) -> Result<(), Refused> {
    let allowed = match (reach(ip), url.trusted()) {
        (Reach::Nowhere, _) => false,
        (Reach::Global, _) | (Reach::Local, Trust::User) => true,
        (Reach::Local, Trust::PublicOnly) => false,
        (Reach::Local, Trust::Torrent) => {
            url.scheme() == Scheme::Udp || ["/announce", "/scrape"].iter().any(|path| url.target().starts_with(path))
        }
    };
    if allowed { Ok(()) } else { Err(Refused::Address) }
}

/// Is `ip` inside this machine or the network around it?
pub(crate) fn is_local(ip: IpAddr) -> bool {
    reach(ip) == Reach::Local
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Global,
    Local,
    /// Multicast, broadcast, reserved.
    Nowhere,
}

fn reach(ip: IpAddr) -> Reach {
    match ip.to_canonical() {
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => reach_v6(ip),
    }
}

fn reach_v4(ip: Ipv4Addr) -> Reach {
    let [a, b, ..] = ip.octets();
    if ip.is_multicast() || a >= 240 {
        Reach::Nowhere
    } else if a == 0 || ip.is_loopback() || ip.is_private() || ip.is_link_local() || (a == 100 && b & 0xc0 == 64) {
        // 0.0.0.0/8 reaches this host on many systems; 100.64.0.0/10 is the provider's inside (RFC 6598).
        Reach::Local
    } else {
        Reach::Global
    }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    let segments = ip.segments();
    if ip.is_multicast() {
        Reach::Nowhere
    } else if ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local() {
        Reach::Local
    } else if let [0x2002, high, low, ..] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] = segments {
        // 6to4 and NAT64 carry an IPv4 address: it is the one that is reached.
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        reach_v4(Ipv4Addr::new(a, b, c, d))
    } else {
        Reach::Global
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_sorted_into_global_local_and_nowhere() {
        for (ip, expected) in [
            ("8.8.8.8", Reach::Global),
            ("2606:4700::1", Reach::Global),
            ("127.0.0.1", Reach::Local),
            ("127.9.9.9", Reach::Local),
            ("0.0.0.0", Reach::Local),
            ("10.1.2.3", Reach::Local),
            ("172.16.0.1", Reach::Local),
            ("192.168.1.1", Reach::Local),
            ("169.254.169.254", Reach::Local),
            ("100.64.0.1", Reach::Local),
            ("::1", Reach::Local),
            ("::", Reach::Local),
            ("fe80::1", Reach::Local),
            ("fd00::1", Reach::Local),
            ("::ffff:127.0.0.1", Reach::Local),
            ("2002:7f00:1::", Reach::Local),
            ("64:ff9b::10.0.0.1", Reach::Local),
            ("224.0.0.1", Reach::Nowhere),
            ("255.255.255.255", Reach::Nowhere),
            ("ff02::1", Reach::Nowhere),
        ] {
            assert_eq!(reach(ip.parse().unwrap()), expected, "{ip}");
        }
    }

    #[test]
    fn a_torrents_url_reaches_local_http_only_at_announce() {
        let check = |text: &str, trust| check(&text.parse::<TrackerUrl>().unwrap().trust(trust), [127, 0, 0, 1].into());
        assert!(check("http://t/announce", Trust::Torrent).is_ok());
        assert!(check("http://t/announce.php?x", Trust::Torrent).is_ok());
        assert!(check("http://t/scrape", Trust::Torrent).is_ok());
        assert!(check("http://t/api/v1/reboot", Trust::Torrent).is_err());
        assert!(check("http://t/x?/announce", Trust::Torrent).is_err());
        assert!(check("udp://t:1/", Trust::Torrent).is_ok());
        assert!(check("http://t/announce", Trust::PublicOnly).is_err());
        assert!(check("udp://t:1/", Trust::PublicOnly).is_err());
        assert!(check("http://t/api", Trust::User).is_ok());
    }
}
