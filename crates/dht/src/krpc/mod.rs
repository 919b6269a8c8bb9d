//! KRPC: queries, responses and errors as bencoded datagrams. Stateless.
//! Spec: BEP 5 § "KRPC Protocol" and the keys that BEPs 32, 33, 42, 43, 44 and 51 add.
//! In: the bytes of one datagram. Out: a message that borrows from them, or what is wrong with them; and the way back.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod decode;
mod encode;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use torrent_bencode::RawValue;

use crate::{bloom::BloomFilter, id::Id};

pub use decode::{DecodeError, Decoder};

/// The longest datagram that is looked at. BEP 32 § "Maximum packet size" asks for 1,024; larger ones are received, too.
pub const MAX_DATAGRAM: usize = 4096;
/// The longest datagram that is sent. BEP 32 § "Maximum packet size".
pub const MAX_SENT: usize = 1024;
/// The longest transaction id that is echoed, in bytes. Those of all clients known have 1 to 8.
pub const MAX_TRANSACTION: usize = 32;
/// The longest token that is kept and given back, in bytes. Those of all clients known have 4 to 20.
pub const MAX_TOKEN: usize = 128;
/// The longest value that is stored, in bytes of its encoding. BEP 44 § "Messages".
pub const MAX_VALUE: usize = 1000;
/// The longest salt, in bytes. BEP 44 § "Mutable Items".
pub const MAX_SALT: usize = 64;
/// The client version that is sent: two letters and two numbers, as BEP 5 § "KRPC Protocol" has it.
pub const VERSION: [u8; 4] = *b"RT\0\x01";

/// One datagram.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Message<'a> {
    /// What ties a response to its query, 0 to [`MAX_TRANSACTION`] bytes.
    pub transaction: &'a [u8],
    /// The client that sent it, if it says.
    pub version: Option<&'a [u8]>,
    /// Query, response or error.
    pub body: Body<'a>,
}

/// The three kinds of messages.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "KRPC has three kinds of messages")]
pub enum Body<'a> {
    /// `y` is `q`.
    Query(Query<'a>),
    /// `y` is `r`.
    Response(Response<'a>),
    /// `y` is `e`.
    Error(RemoteError<'a>),
}

/// A question to a node.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "written by callers")]
pub struct Query<'a> {
    /// Who asks.
    pub id: Id,
    /// Whether the asking node answers queries. BEP 43.
    pub role: Role,
    /// What is asked.
    pub method: Method<'a>,
}

/// Whether a node answers queries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "BEP 43 knows these two")]
pub enum Role {
    /// It answers, and may be put into routing tables.
    #[default]
    Server,
    /// It only asks. BEP 43 § "Read-Only State".
    ReadOnly,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Method<'a> {
    /// BEP 5 § "ping".
    Ping,
    /// BEP 5 § "find_node".
    FindNode {
        /// The id whose neighbours are wanted.
        target: Id,
        /// The address families of the nodes that are wanted.
        want: Want,
    },
    /// BEP 5 § "get_peers".
    GetPeers {
        /// Whose peers are wanted.
        info_hash: Id,
        /// The address families of the nodes that are wanted.
        want: Want,
        /// Peers that are not seeds are preferred. BEP 33 § "New GET_PEERS semantics".
        noseed: bool,
        /// Bloom filters are wanted. BEP 33 § "New GET_PEERS semantics".
        scrape: bool,
    },
    /// BEP 5 § "announce_peer".
    AnnouncePeer {
        /// What the asking peer has.
        info_hash: Id,
        /// Where it listens.
        port: AnnouncePort,
        /// Whether it has all of it. BEP 33 § "New ANNOUNCE_PEER semantics".
        seed: bool,
        /// What a `get_peers` before gave.
        token: &'a [u8],
    },
    /// BEP 44 § "get message".
    Get {
        /// The key.
        target: Id,
        /// Values that are not newer than this are not wanted.
        seq: Option<i64>,
        /// The address families of the nodes that are wanted.
        want: Want,
    },
    /// BEP 44 § "put message".
    Put(Put<'a>),
    /// BEP 51 § "Sampling RPC".
    SampleInfohashes {
        /// The id whose neighbours are wanted, too.
        target: Id,
        /// The address families of the nodes that are wanted.
        want: Want,
    },
    /// A method that this crate does not know. It is answered as `find_node` if it has a target.
    Unknown {
        /// Its name.
        name: &'a [u8],
        /// `target` or `info_hash`.
        target: Option<Id>,
        /// The address families of the nodes that are wanted.
        want: Want,
    },
}

/// What is to be stored. BEP 44 § "put message".
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "written by callers")]
pub struct Put<'a> {
    /// What a `get` before gave.
    pub token: &'a [u8],
    /// The value, byte for byte.
    pub value: RawValue<'a>,
    /// What makes it mutable.
    pub signed: Option<Signed<'a>>,
    /// Store it only if this is the sequence number of what is stored. BEP 44 § "CAS".
    pub cas: Option<i64>,
}

/// The key, the signature and what else a mutable item is signed with. BEP 44 § "Mutable Items".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "written by callers")]
pub struct Signed<'a> {
    /// The ed25519 public key.
    pub key: &'a [u8; 32],
    /// Its signature.
    pub signature: &'a [u8; 64],
    /// Goes up with each change.
    pub seq: i64,
    /// Tells several items of one key apart. Not in responses.
    pub salt: &'a [u8],
}

/// Where an announcing peer listens. BEP 5 § "announce_peer".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "BEP 5 knows these two")]
pub enum AnnouncePort {
    /// On the port that the datagram comes from, as a client behind a NAT that shares its UDP port with uTP does.
    Implied,
    /// On this one. Not zero.
    Explicit(u16),
}

/// Which nodes are wanted in a response. BEP 32 § "want".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "these are all there are")]
pub enum Want {
    /// Not said: those of the family that the query came over.
    #[default]
    Same,
    /// `n4`.
    V4,
    /// `n6`.
    V6,
    /// Both.
    Both,
}

/// What a node answers. Which fields are there depends on what was asked.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "written by callers, with `..Default::default()`")]
pub struct Response<'a> {
    /// Who answers.
    pub id: Id,
    /// The address that it saw the query come from. BEP 42 § "Bootstrapping".
    pub observed: Option<SocketAddr>,
    /// Nodes with IPv4 addresses, packed: 26 bytes each. BEP 5 § "Contact Encoding".
    pub nodes: Option<&'a [u8]>,
    /// Nodes with IPv6 addresses, packed: 38 bytes each. BEP 32 § "nodes6".
    pub nodes6: Option<&'a [u8]>,
    /// Peers.
    pub values: Vec<SocketAddr>,
    /// Allows a store.
    pub token: Option<&'a [u8]>,
    /// Seeds. BEP 33 § "New GET_PEERS semantics".
    pub seeds: Option<Box<BloomFilter>>,
    /// Peers that are not seeds. BEP 33 § "New GET_PEERS semantics".
    pub leeches: Option<Box<BloomFilter>>,
    /// A stored value, byte for byte. BEP 44.
    pub value: Option<RawValue<'a>>,
    /// The public key of a mutable item. BEP 44.
    pub key: Option<&'a [u8; 32]>,
    /// The signature of a mutable item. BEP 44.
    pub signature: Option<&'a [u8; 64]>,
    /// The sequence number of a mutable item. BEP 44.
    pub seq: Option<i64>,
    /// Info hashes, 20 bytes each. BEP 51.
    pub samples: Option<&'a [u8]>,
    /// How many info hashes are stored. BEP 51.
    pub stored: Option<u64>,
    /// Seconds until other samples can be had. BEP 51.
    pub interval: Option<u64>,
}

/// What a node answers in place of a response. BEP 5 § "Errors".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "BEP 5 knows these two")]
pub struct RemoteError<'a> {
    /// What kind of error, see [`code`].
    pub code: i64,
    /// For people.
    pub message: &'a [u8],
}

/// Numbers of errors. BEP 5 § "Errors", BEP 44 § "Errors".
pub mod code {
    /// Anything else.
    pub const GENERIC: i64 = 201;
    /// The node cannot do it now.
    pub const SERVER: i64 = 202;
    /// Malformed, wrong arguments, or a bad token.
    pub const PROTOCOL: i64 = 203;
    /// Unknown method.
    pub const METHOD_UNKNOWN: i64 = 204;
    /// `v` is too big.
    pub const VALUE_TOO_BIG: i64 = 205;
    /// The signature is not one.
    pub const INVALID_SIGNATURE: i64 = 206;
    /// `salt` is too big.
    pub const SALT_TOO_BIG: i64 = 207;
    /// What is stored has another sequence number than `cas`.
    pub const CAS_MISMATCH: i64 = 301;
    /// What is stored has a greater sequence number.
    pub const SEQ_TOO_LOW: i64 = 302;
}

/// A node: where it is and what it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "BEP 5 knows these two")]
pub struct Contact {
    /// Its id.
    pub id: Id,
    /// Its address.
    pub address: SocketAddr,
}

impl Want {
    pub(crate) const fn v4(self, came_over_v4: bool) -> bool {
        matches!(self, Self::V4 | Self::Both) || (matches!(self, Self::Same) && came_over_v4)
    }

    pub(crate) const fn v6(self, came_over_v4: bool) -> bool {
        matches!(self, Self::V6 | Self::Both) || (matches!(self, Self::Same) && !came_over_v4)
    }
}

impl Method<'_> {
    /// Its name in a query.
    #[must_use]
    pub const fn name(&self) -> &[u8] {
        match self {
            Self::Ping => b"ping",
            Self::FindNode { .. } => b"find_node",
            Self::GetPeers { .. } => b"get_peers",
            Self::AnnouncePeer { .. } => b"announce_peer",
            Self::Get { .. } => b"get",
            Self::Put(_) => b"put",
            Self::SampleInfohashes { .. } => b"sample_infohashes",
            Self::Unknown { name, .. } => name,
        }
    }
}

impl Response<'_> {
    /// The nodes of IPv4, from [`nodes`](Self::nodes). An incomplete one at the end is left out.
    pub fn contacts_v4(&self) -> impl Iterator<Item = Contact> {
        let packed = self.nodes.unwrap_or_default().as_chunks::<26>().0;
        packed.iter().filter_map(|chunk| {
            let (id, address) = chunk.split_first_chunk::<20>()?;
            let [a, b, c, d, high, low] = *<&[u8; 6]>::try_from(address).ok()?;
            let address = SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low]));
            Some(Contact { id: Id::new(*id), address })
        })
    }

    /// The nodes of IPv6, from [`nodes6`](Self::nodes6). An incomplete one at the end is left out.
    pub fn contacts_v6(&self) -> impl Iterator<Item = Contact> {
        let packed = self.nodes6.unwrap_or_default().as_chunks::<38>().0;
        packed.iter().filter_map(|chunk| {
            let (id, address) = chunk.split_first_chunk::<20>()?;
            let (ip, port) = address.split_first_chunk::<16>()?;
            let port = u16::from_be_bytes(*<&[u8; 2]>::try_from(port).ok()?);
            Some(Contact { id: Id::new(*id), address: SocketAddr::new(Ipv6Addr::from(*ip).into(), port) })
        })
    }

    /// The info hashes in [`samples`](Self::samples).
    pub fn sampled(&self) -> impl Iterator<Item = Id> {
        self.samples.unwrap_or_default().as_chunks::<20>().0.iter().map(|bytes| Id::new(*bytes))
    }
}

impl Contact {
    /// Appends it packed: 26 bytes for IPv4, 38 for IPv6. BEP 5 § "Contact Encoding", BEP 32 § "nodes6".
    pub fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_bytes());
        torrent_types::compact::encode(self.address, out);
    }
}
