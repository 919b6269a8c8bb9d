//! What is kept of one torrent.

use std::{net::SocketAddr, path::PathBuf};

use torrent_metainfo::InfoHashes;
use torrent_types::{Bitfield, PieceIndex};

/// What a client knows of one torrent, to be told to the next run. Only what is in storage may be recorded as had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The torrent's names.
    pub info_hashes: InfoHashes,
    /// Its info dictionary, for torrents that came by magnet link.
    pub info: Option<Vec<u8>>,
    /// The pieces that are in storage and right; empty as long as the metadata is unknown.
    pub have: Bitfield,
    /// What the disk said of each file of the layout when that was so. `None`: there was none.
    pub files: Vec<Option<FileState>>,
    /// Pieces of which some blocks are in storage, unverified.
    pub partial: Vec<PartialPiece>,
    /// How much each file of the layout is wanted, as the client counts it. Empty: all as usual.
    pub priorities: Vec<u8>,
    /// Where the files are.
    pub folder: Option<PathBuf>,
    /// Bytes of content sent to peers, in all runs.
    pub uploaded: u64,
    /// Bytes of content got from peers, in all runs.
    pub downloaded: u64,
    /// URLs of trackers, in tiers.
    pub trackers: Vec<Vec<String>>,
    /// Peers worth trying first.
    pub peers: Vec<SocketAddr>,
    /// When the torrent was added, in seconds since 1970.
    pub added: Option<i64>,
    /// When it was complete, in seconds since 1970.
    pub finished: Option<i64>,
    /// Whether the user has paused it.
    pub paused: bool,
}

impl Record {
    /// A record that says nothing yet.
    #[must_use]
    pub fn new(info_hashes: InfoHashes) -> Self {
        Self {
            info_hashes,
            info: None,
            have: Bitfield::new(0),
            files: Vec::new(),
            partial: Vec::new(),
            priorities: Vec::new(),
            folder: None,
            uploaded: 0,
            downloaded: 0,
            trackers: Vec::new(),
            peers: Vec::new(),
            added: None,
            finished: None,
            paused: false,
        }
    }
}

/// What the disk said of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain triple")]
pub struct FileState {
    /// Length in bytes.
    pub length: u64,
    /// When it was last changed: seconds since 1970,
    pub seconds: u64,
    /// and nanoseconds. 0 where these are not known.
    pub nanoseconds: u32,
}

/// A piece of which some blocks are in storage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain pair")]
pub struct PartialPiece {
    /// Which.
    pub piece: PieceIndex,
    /// A bit for each of its blocks, the first one highest, as in a BEP 3 bitfield.
    pub blocks: Vec<u8>,
}
