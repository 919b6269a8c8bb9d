//! Which client a peer is, as far as its peer id tells. BEP 20, and what clients do in practice.
//! Never: trust in it. A peer id says what its owner likes; use it for people to read, not for decisions.

mod table;
mod version;

use std::{borrow::Cow, fmt};

use torrent_types::PeerId;

/// A client's name and, where the peer id tells it, its version. Both are printable whatever the peer sent.
///
/// `Display` gives both: `libtorrent 2.0.9`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientName {
    name: Cow<'static, str>,
    version: Option<String>,
}

impl ClientName {
    /// `Transmission`; the two letters of the peer id if it is in the usual style of a client that we do not know.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `4.1.0`
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.version.iter().try_for_each(|version| write!(f, " {version}"))
    }
}

/// Names the client that made this peer id; `None` if it is in no known style. Then show the peer id itself: its
/// `Display` is printable too.
///
/// ```
/// use torrent_types::PeerId;
/// use torrent_wire::client_name;
///
/// let name = client_name(&PeerId::new(*b"-TR4100-abcdefghijkl")).unwrap();
/// assert_eq!(name.to_string(), "Transmission 4.1.0");
/// assert_eq!(client_name(&PeerId::new([0; 20])), None);
/// ```
#[must_use]
pub fn client_name(peer_id: &PeerId) -> Option<ClientName> {
    let id = peer_id.as_bytes();
    by_prefix(id).or_else(|| azureus_style(id)).or_else(|| shadow_style(id))
}

/// Clients with a style of their own.
fn by_prefix(id: &[u8; 20]) -> Option<ClientName> {
    table::OWN_STYLE.iter().find_map(|own| {
        let fits = id.get(own.at..)?.starts_with(own.prefix);
        let version = (own.version)(id).filter(|_| fits);
        // A short prefix alone could be chance.
        let sure = version.is_some() || own.prefix.len() >= 4;
        (fits && sure).then(|| ClientName { name: own.name.into(), version })
    })
}

/// A dash, two characters, four of version, and a dash which some replace by more version. BEP 20.
fn azureus_style(id: &[u8; 20]) -> Option<ClientName> {
    let [b'-', a, b, ..] = *id else { return None };
    let code = [a, b];
    if let Ok(at) = table::AZUREUS_STYLE.binary_search_by(|known| known.0.cmp(&code)) {
        let (_, name, version) = table::AZUREUS_STYLE.get(at)?;
        return Some(ClientName { name: (*name).into(), version: version(id) });
    }
    let usual = code.iter().all(u8::is_ascii_alphanumeric) && id[7] == b'-';
    let version = version::tagged(id).filter(|_| usual)?;
    let name = code.map(char::from).iter().collect::<String>();
    Some(ClientName { name: name.into(), version: Some(version) })
}

/// A letter, up to five characters of version padded with dashes, and three dashes. BEP 20.
fn shadow_style(id: &[u8; 20]) -> Option<ClientName> {
    let name = match id[0] {
        b'A' => "ABC",
        b'O' => "Osprey Permaseed",
        b'Q' => "BTQueue",
        b'R' => "Tribler",
        b'S' => "Shad0w",
        b'T' => "BitTornado",
        b'U' => "UPnP NAT BitTorrent",
        _ => return None,
    };
    let version = version::shadow(id)?;
    Some(ClientName { name: name.into(), version: Some(version) })
}

#[cfg(test)]
mod tests;
