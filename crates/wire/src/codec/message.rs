//! Every message that a peer may send, as a value. BEP 3, 5, 6, 10 and 52 § "peer messages".

use torrent_types::{Block, Geometry, GeometryError};

use super::HashRange;

/// One message of the peer wire. Payloads are borrowed from the receive buffer; piece numbers are as they came.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// A frame of length 0: the sender is alive.
    KeepAlive,
    /// The sender will not answer requests.
    Choke,
    /// The sender will answer requests.
    Unchoke,
    /// The sender would request if it were unchoked.
    Interested,
    /// The sender would not request.
    NotInterested,
    /// The sender has this piece.
    Have(u32),
    /// Which pieces the sender has, first piece in the high bit of the first byte.
    Bitfield(&'a [u8]),
    /// The sender wants a block.
    Request(RawBlock),
    /// A block.
    Piece {
        /// Number of the piece.
        piece: u32,
        /// First byte, counted from the beginning of the piece.
        begin: u32,
        /// The bytes.
        data: &'a [u8],
    },
    /// The sender no longer wants a block.
    Cancel(RawBlock),
    /// UDP port of the sender's DHT node. BEP 5 § "BitTorrent Protocol Extension".
    Port(u16),
    /// The sender suggests to request this piece. BEP 6 § "Suggest Piece".
    Suggest(u32),
    /// The sender has all pieces. BEP 6 § "Have All/Have None".
    HaveAll,
    /// The sender has no piece. BEP 6 § "Have All/Have None".
    HaveNone,
    /// The sender will not answer this request. BEP 6 § "Reject Request".
    Reject(RawBlock),
    /// The sender answers requests for this piece even while it chokes. BEP 6 § "Allowed Fast".
    AllowedFast(u32),
    /// A message of the extension protocol; id 0 is its handshake. BEP 10.
    Extended {
        /// The id that the receiver gave the extension.
        id: u8,
        /// What the extension makes of it.
        payload: &'a [u8],
    },
    /// The sender wants hashes of a file's merkle tree. BEP 52 § "hash request".
    HashRequest(HashRange),
    /// Hashes of a file's merkle tree. BEP 52 § "hashes".
    Hashes {
        /// Which, as they were requested.
        range: HashRange,
        /// 32 bytes each: the requested ones, then the proof.
        hashes: &'a [u8],
    },
    /// The sender will not answer this request for hashes. BEP 52 § "hash reject".
    HashReject(HashRange),
    /// A message that this crate does not know. To be ignored.
    Unknown {
        /// Its id.
        id: u8,
        /// What follows the id.
        payload: &'a [u8],
    },
}

/// A run of bytes inside a piece as the wire names it: three numbers that nobody has checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the wire format has these three fields and no room for more")]
pub struct RawBlock {
    /// Number of the piece.
    pub piece: u32,
    /// First byte, counted from the beginning of the piece.
    pub begin: u32,
    /// Length in bytes.
    pub length: u32,
}

impl RawBlock {
    /// The numbers as a block of a torrent.
    ///
    /// # Errors
    /// If there is no such piece, the range leaves it, or the length is 0.
    pub fn check(self, geometry: &Geometry) -> Result<Block, GeometryError> {
        geometry.block(self.piece, self.begin, self.length)
    }
}

impl From<Block> for RawBlock {
    fn from(block: Block) -> Self {
        Self { piece: block.piece().get(), begin: block.begin(), length: block.length() }
    }
}

/// Message ids, the fifth byte of a frame.
pub(crate) mod id {
    pub(crate) const CHOKE: u8 = 0;
    pub(crate) const UNCHOKE: u8 = 1;
    pub(crate) const INTERESTED: u8 = 2;
    pub(crate) const NOT_INTERESTED: u8 = 3;
    pub(crate) const HAVE: u8 = 4;
    pub(crate) const BITFIELD: u8 = 5;
    pub(crate) const REQUEST: u8 = 6;
    pub(crate) const PIECE: u8 = 7;
    pub(crate) const CANCEL: u8 = 8;
    pub(crate) const PORT: u8 = 9;
    pub(crate) const SUGGEST: u8 = 13;
    pub(crate) const HAVE_ALL: u8 = 14;
    pub(crate) const HAVE_NONE: u8 = 15;
    pub(crate) const REJECT: u8 = 16;
    pub(crate) const ALLOWED_FAST: u8 = 17;
    pub(crate) const EXTENDED: u8 = 20;
    pub(crate) const HASH_REQUEST: u8 = 21;
    pub(crate) const HASHES: u8 = 22;
    pub(crate) const HASH_REJECT: u8 = 23;
}
