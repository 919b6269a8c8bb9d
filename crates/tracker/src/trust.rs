//! Which addresses a tracker URL may lead to.
//! In: a resolved address, and where the URL came from. Out: permission to connect, or [`Refused::Address`].
//! Never: name resolution. The driver asks about the address it connects to, so that a second lookup cannot differ.

use std::net::IpAddr;

use torrent_types::Scope;

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
    /// Whether the name in this URL may lead to `ip`. Ask about the very address that is connected to.
    ///
    /// # Errors
    /// [`Refused::Address`] if not.
    pub fn check_address(&self, ip: IpAddr) -> Result<(), Refused> {
        if may_lead_to(self, ip) { Ok(()) } else { Err(Refused::Address) }
    }
}

fn may_lead_to(url: &TrackerUrl, ip: IpAddr) -> bool {
    match (Scope::of(ip), url.trusted()) {
        (Scope::Nowhere, _) => false,
        (Scope::Global, _) | (Scope::Host | Scope::Local, Trust::User) => true,
        (Scope::Host | Scope::Local, Trust::PublicOnly) => false,
        (Scope::Host | Scope::Local, Trust::Torrent) => {
            url.scheme() == Scheme::Udp || is_path_of_a_tracker(url.target())
        }
    }
}

fn is_path_of_a_tracker(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    ["/announce", "/scrape"].iter().any(|start| path.starts_with(start)) && !path.contains("..") && !path.contains('%')
}

#[cfg(test)]
mod tests {
    use super::*;

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
