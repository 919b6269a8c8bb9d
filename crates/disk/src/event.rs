//! What a disk reports. The enum is exhaustive: an event that a driver ignores would stall a torrent.

use torrent_content::Checked;
use torrent_storage::StorageError;
use torrent_types::PieceIndex;

use crate::Slot;

/// Takes the events of one torrent.
pub trait Listener: Send + Sync {
    /// Called on threads of the disk; for [`Event::PieceHashed`] also on a thread that is inside [`Slot::put`]. No lock of the
    /// disk is held, and never is it called from within one of the other methods, so these may be called under a lock that
    /// this takes. Events of a torrent that are about the same piece come in order.
    fn handle_disk_event(&self, event: Event);
}

/// Something that became of a torrent's pieces.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to handle each of them")]
pub enum Event {
    /// All blocks of a piece have come, and were hashed. It waits for [`write`](crate::TorrentDisk::write) or
    /// [`forget`](crate::TorrentDisk::forget).
    PieceHashed {
        /// This copy of the piece. Once it [is closed](Slot::is_closed), the event is about a copy that was forgotten.
        slot: Slot,
        /// Whether it has the hashes that it should have.
        verdict: Verdict,
    },
    /// An extent of a piece that has several was written, and its memory is free again. The piece may be unverified.
    ExtentStored {
        /// This copy of the piece. Once it [is closed](Slot::is_closed), the event is about a copy that was forgotten.
        slot: Slot,
        /// Number of the extent in its piece.
        extent: u32,
    },
    /// These pieces are verified and in storage, and their memory is free again.
    PiecesStored(Vec<PieceIndex>),
    /// Storage has refused to write, and is left alone until [`retry`](crate::TorrentDisk::retry). Said once until then.
    Failed(StorageError),
    /// The bytes of these pieces are gone: said once per piece until it is stored again.
    PiecesLost {
        /// Which. Sorted.
        pieces: Vec<PieceIndex>,
        /// How it was noticed.
        error: StorageError,
    },
    /// A check is under way.
    CheckProgress {
        /// Pieces that were looked at.
        done: u32,
        /// Pieces to be looked at.
        total: u32,
    },
    /// A check has ended. An error says nothing about any piece.
    Checked(Result<Checked, StorageError>),
    /// The answer to [`finish`](crate::TorrentDisk::finish). Pieces that somebody else has damaged meanwhile were reported as
    /// lost before.
    Finished(Result<(), StorageError>),
}

/// What the hash of a complete copy of a piece says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a hash fits or does not")]
pub enum Verdict {
    /// It has the hashes that the metadata names.
    Good,
    /// It has others, or none are known.
    Bad,
}
