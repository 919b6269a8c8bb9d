//! `ut_pex`: which peers the sender has met and lost. BEP 11.

mod pace;

use std::{
    fmt, iter,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    ops,
};

use torrent_bencode::{Document, Encoder};
use torrent_types::compact;

use super::{MalformedPayload, options};

pub(crate) use pace::PexIntake;
pub use pace::PexOutlet;

/// The most peers that are read from one list of a message. BEP 11 allows 50, and more in the first message.
const MAX_PEERS: usize = 200;

/// A message of `ut_pex`. Its peers are read as they are asked for; at most 200 of each kind, and none with port 0.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Pex<'a> {
    added: &'a [u8],
    added_flags: &'a [u8],
    added6: &'a [u8],
    added6_flags: &'a [u8],
    dropped: &'a [u8],
    dropped6: &'a [u8],
}

impl<'a> Pex<'a> {
    /// Reads a payload. Lists that are absent or of the wrong kind count as empty.
    ///
    /// # Errors
    /// If it is not a bencoded dictionary.
    pub fn decode(payload: &'a [u8]) -> Result<Self, MalformedPayload> {
        let (document, _) = Document::decode_prefix(payload, &options()).map_err(|_| MalformedPayload)?;
        let root = document.root().as_dict().ok_or(MalformedPayload)?;
        let bytes = |key: &str| root.find(key).and_then(|node| node.as_bytes()).unwrap_or_default();
        Ok(Self {
            added: bytes("added"),
            added_flags: bytes("added.f"),
            added6: bytes("added6"),
            added6_flags: bytes("added6.f"),
            dropped: bytes("dropped"),
            dropped6: bytes("dropped6"),
        })
    }

    /// Peers that the sender has met since its last message.
    pub fn added(&self) -> impl Iterator<Item = (SocketAddr, PexFlags)> + use<'a> {
        flagged(v4(self.added), self.added_flags).chain(flagged(v6(self.added6), self.added6_flags))
    }

    /// Peers that the sender has lost since its last message. Nothing to connect to.
    pub fn dropped(&self) -> impl Iterator<Item = SocketAddr> + use<'a> {
        v4(self.dropped).chain(v6(self.dropped6)).filter(|peer| peer.port() != 0)
    }

    /// The payload of a message about these peers.
    #[must_use]
    pub fn encode(
        added: impl IntoIterator<Item = (SocketAddr, PexFlags)>,
        dropped: impl IntoIterator<Item = SocketAddr>,
    ) -> Vec<u8> {
        let mut lists: [Vec<u8>; 6] = Default::default();
        let [added4, flags4, added6, flags6, dropped4, dropped6] = &mut lists;
        for (peer, flags) in added {
            let (list, flag_list) =
                if is_v4(peer) { (&mut *added4, &mut *flags4) } else { (&mut *added6, &mut *flags6) };
            compact::encode(peer, list);
            flag_list.push(flags.0);
        }
        for peer in dropped {
            compact::encode(peer, if is_v4(peer) { &mut *dropped4 } else { &mut *dropped6 });
        }
        let mut out = Vec::new();
        Encoder::new(&mut out).dict(|root| {
            let keys = ["added", "added.f", "added6", "added6.f", "dropped", "dropped6"];
            // Clients of old expect the IPv4 lists even when they are empty.
            for (key, list) in keys.iter().zip(&lists).filter(|(key, list)| !key.contains('6') || !list.is_empty()) {
                root.put(key, list);
            }
        });
        out
    }
}

fn v4(list: &[u8]) -> impl Iterator<Item = SocketAddr> {
    list.as_chunks::<{ compact::V4_LENGTH }>()
        .0
        .iter()
        .take(MAX_PEERS)
        .map(|&[a, b, c, d, high, low]| (Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])).into())
}

fn v6(list: &[u8]) -> impl Iterator<Item = SocketAddr> {
    list.as_chunks::<{ compact::V6_LENGTH }>()
        .0
        .iter()
        .take(MAX_PEERS)
        .map(|[address @ .., high, low]| (Ipv6Addr::from(*address), u16::from_be_bytes([*high, *low])).into())
}

/// Flags may be missing; peers with port 0 are left out together with theirs.
fn flagged(peers: impl Iterator<Item = SocketAddr>, flags: &[u8]) -> impl Iterator<Item = (SocketAddr, PexFlags)> {
    let flags = flags.iter().copied().map(PexFlags).chain(iter::repeat(PexFlags::NONE));
    peers.zip(flags).filter(|(peer, _)| peer.port() != 0)
}

fn is_v4(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_ipv4()
}

impl fmt::Debug for Pex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pex({} added, {} dropped)", self.added().count(), self.dropped().count())
    }
}

/// What the sender of a PEX message knows about a peer. BEP 11 § "Message format".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PexFlags(u8);

impl PexFlags {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// It prefers encrypted connections.
    pub const PREFERS_ENCRYPTION: Self = Self(0x01);
    /// It wants nothing more: a seed, or as good as one.
    pub const UPLOAD_ONLY: Self = Self(0x02);
    /// It speaks uTP.
    pub const UTP: Self = Self(0x04);
    /// It knows `ut_holepunch`.
    pub const HOLEPUNCH: Self = Self(0x08);
    /// The sender has connected to it, so it accepts connections.
    pub const REACHABLE: Self = Self(0x10);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits as they go over the wire.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The bits as they came over the wire.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl ops::BitOr for PexFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for PexFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PexFlags({:02x})", self.0)
    }
}
