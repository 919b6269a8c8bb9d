//! The 68 bytes that open a connection. BEP 3 § "peer protocol"; the reserved bits: BEP 5, 6, 10 and 52.

use std::{fmt, ops};

use torrent_types::{InfoHash, PeerId};

/// Length of the protocol's name, and the name.
pub(crate) const PROTOCOL: [u8; 20] = *b"\x13BitTorrent protocol";

/// What each side says first: what it can do, which torrent it means, who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire format has these three fields and no room for more")]
pub struct Handshake {
    /// What the sender can do.
    pub reserved: Reserved,
    /// The torrent; for v2 torrents the first 20 bytes of its hash.
    pub info_hash: InfoHash,
    /// The sender.
    pub peer_id: PeerId,
}

impl Handshake {
    /// Length in bytes.
    pub const LENGTH: usize = 68;

    /// The bytes as they go over the wire.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let parts = [&PROTOCOL[..], &self.reserved.to_bytes(), self.info_hash.as_bytes(), self.peer_id.as_bytes()];
        bytes.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// A handshake from its bytes; `None` if they are of another protocol.
    #[must_use]
    pub fn decode(bytes: &[u8; Self::LENGTH]) -> Option<Self> {
        let (reserved, info_hash, rest) = split_head(bytes)?;
        Some(Self { reserved, info_hash, peer_id: PeerId::try_from(rest).ok()? })
    }
}

/// What comes before the peer id, and the rest; `None` if it is incomplete or of another protocol.
pub(crate) fn split_head(bytes: &[u8]) -> Option<(Reserved, InfoHash, &[u8])> {
    let (reserved, rest) = bytes.strip_prefix(&PROTOCOL)?.split_first_chunk()?;
    let (info_hash, rest) = rest.split_first_chunk::<{ InfoHash::LENGTH }>()?;
    Some((Reserved::from_bytes(*reserved), InfoHash::new(*info_hash), rest))
}

/// The 64 reserved bits of a handshake: what its sender can do. Bits that this crate does not know are kept.
///
/// ```
/// # use torrent_wire::Reserved;
/// let ours = Reserved::EXTENSION_PROTOCOL | Reserved::FAST;
/// assert!(ours.contains(Reserved::FAST) && !ours.contains(Reserved::DHT));
/// assert_eq!(ours.to_bytes(), [0, 0, 0, 0, 0, 0x10, 0, 0x04]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reserved(u64);

impl Reserved {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The sender runs a DHT node and takes `port`. BEP 5 § "BitTorrent Protocol Extension".
    pub const DHT: Self = Self(0x01);
    /// BEP 6 § "Fast Extension".
    pub const FAST: Self = Self(0x04);
    /// The sender knows a v2 form of a torrent that was named by its v1 hash. BEP 52 § "Upgrade Path".
    pub const V2: Self = Self(0x10);
    /// BEP 10.
    pub const EXTENSION_PROTOCOL: Self = Self(0x10_0000);

    /// The bits as they go over the wire.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// The bits as they came over the wire.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl ops::BitOr for Reserved {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What both can do.
impl ops::BitAnd for Reserved {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reserved({:016x})", self.0)
    }
}
