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
    /// link-local) are reached only if the path begins with `/announce` or `/scrape` and does not lead out of there (`..`, or
    /// anything percent-encoded), so that trackers at home work and other services cannot be commanded. libtorrent has this rule
    /// for loopback. UDP reaches them: no service of another kind understands BEP 15's first packet.
    #[default]
    Torrent,
    /// Like `Torrent`, but local addresses are never reached.
    PublicOnly,
    /// The user typed it: any host that can be one.
    User,
}

impl TrackerUrl {
    /// May the name in this URL lead to `ip`? To be asked about the very address that is connected to.
    ///
    /// # Errors
    /// [`Refused::Address`] if not.
    pub fn check_address(&self, ip: IpAddr) -> Result<(), Refused> {
        if may_lead_to(self, ip) { Ok(()) } else { Err(Refused::Address) }
    }
}

fn may_lead_to(url: &TrackerUrl, ip: IpAddr) -> bool {
    match (reach(ip), url.trusted()) {
        (Place::Nowhere, _) => false,
        (Place::Global, _) | (Place::Local, Trust::User) => true,
        (Place::Local, Trust::PublicOnly) => false,
        (Place::Local, Trust::Torrent) => url.scheme() == Scheme::Udp || is_path_of_a_tracker(url.target()),
    }
}

fn is_path_of_a_tracker(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    ["/announce", "/scrape"].iter().any(|start| path.starts_with(start)) && !path.contains("..") && !path.contains('%')
}

/// Is `ip` inside this machine or the network around it?
#[cfg(feature = "tokio")]
pub(crate) fn is_local(ip: IpAddr) -> bool {
    reach(ip) == Place::Local
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Global,
    Local,
    /// Multicast, broadcast, reserved.
    Nowhere,
}

fn reach(ip: IpAddr) -> Place {
    match ip.to_canonical() {
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => reach_v6(ip),
    }
}

fn reach_v4(ip: Ipv4Addr) -> Place {
    let [a, b, ..] = ip.octets();
    if ip.is_multicast() || a >= 240 {
        Place::Nowhere
    } else if a == 0 || ip.is_loopback() || ip.is_private() || ip.is_link_local() || (a == 100 && b & 0xc0 == 64) {
        // 0.0.0.0/8 reaches this host on many systems; 100.64.0.0/10 is the provider's inside (RFC 6598).
        Place::Local
    } else {
        Place::Global
    }
}

fn reach_v6(ip: Ipv6Addr) -> Place {
    let segments = ip.segments();
    if ip.is_multicast() {
        Place::Nowhere
    } else if ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_unique_local()
        || ip.is_unicast_link_local()
        || matches!(segments, [0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..])
    {
        // Site-local addresses are deprecated, not gone (RFC 3879); 64:ff9b:1::/48 is a translator of the network's own (RFC 8215).
        Place::Local
    } else if let [0x2002, high, low, ..] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] = segments {
        // 6to4 and NAT64 carry an IPv4 address: it is the one that is reached.
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        reach_v4(Ipv4Addr::new(a, b, c, d))
    } else {
        Place::Global
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_sorted_into_global_local_and_nowhere() {
        for (ip, expected) in [
            ("8.8.8.8", Place::Global),
            ("2606:4700::1", Place::Global),
            ("127.0.0.1", Place::Local),
            ("127.9.9.9", Place::Local),
            ("0.0.0.0", Place::Local),
            ("10.1.2.3", Place::Local),
            ("172.16.0.1", Place::Local),
            ("192.168.1.1", Place::Local),
            ("169.254.169.254", Place::Local),
            ("100.64.0.1", Place::Local),
            ("::1", Place::Local),
            ("::", Place::Local),
            ("fe80::1", Place::Local),
            ("fd00::1", Place::Local),
            ("fec0::1", Place::Local),
            ("64:ff9b:1::808:808", Place::Local),
            ("64:ff9b::8.8.8.8", Place::Global),
            ("::ffff:127.0.0.1", Place::Local),
            ("2002:7f00:1::", Place::Local),
            ("64:ff9b::10.0.0.1", Place::Local),
            ("224.0.0.1", Place::Nowhere),
            ("255.255.255.255", Place::Nowhere),
            ("ff02::1", Place::Nowhere),
        ] {
            assert_eq!(reach(ip.parse().unwrap()), expected, "{ip}");
        }
    }

    #[test]
    fn a_torrents_url_reaches_local_http_only_at_announce() {
        let check =
            |text: &str, trust| text.parse::<TrackerUrl>().unwrap().trust(trust).check_address([127, 0, 0, 1].into());
        assert!(check("http://t/announce", Trust::Torrent).is_ok());
        assert!(check("http://t/announce.php?x", Trust::Torrent).is_ok());
        assert!(check("http://t/scrape", Trust::Torrent).is_ok());
        assert!(check("http://t/api/v1/reboot", Trust::Torrent).is_err());
        assert!(check("http://t/x?/announce", Trust::Torrent).is_err());
        for way_out in ["/../api", "/..;/api", "/%2e%2e/api", "/%2E./api", "%2f..%2fapi", "/..\\api", "/.%2e/"] {
            assert!(check(&format!("http://t/announce{way_out}"), Trust::Torrent).is_err(), "{way_out}");
        }
        assert!(check("http://t/announce?passkey=%2e%2e/..", Trust::Torrent).is_ok());
        assert!(check("udp://t:1/", Trust::Torrent).is_ok());
        assert!(check("http://t/announce", Trust::PublicOnly).is_err());
        assert!(check("udp://t:1/", Trust::PublicOnly).is_err());
        assert!(check("http://t/api", Trust::User).is_ok());
    }
}
