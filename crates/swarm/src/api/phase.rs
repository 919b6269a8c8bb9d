//! The phases of a torrent's life, and what a user can ask of it.

/// Where a torrent is in its life. See the diagram in the crate's `lifecycle` module and in the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an application shows each of them")]
pub enum Phase {
    /// The info dictionary is not known yet: peers are asked for it.
    Metadata,
    /// Storage is being checked, or waits to be.
    Checking,
    /// Peers are served, and pieces fetched.
    Active(Activity),
    /// The torrent ends: what was accepted is written, trackers hear that we leave.
    Leaving,
    /// It has ended.
    Stopped,
}

/// What an active torrent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an application shows each of them")]
pub enum Activity {
    /// It serves what it has and fetches nothing, though pieces are missing: see [`Goal::Serve`].
    Serving,
    /// It fetches wanted pieces.
    Downloading,
    /// Every wanted piece is here, but not every piece.
    Finished,
    /// Every piece is here.
    Seeding,
    /// The user paused it: it has no connections.
    Paused,
    /// Storage failed: it serves what it can and fetches nothing. `Passing` failures are retried with growing pauses.
    StorageFailed(Failure),
}

/// Whether a storage failure may pass by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver names one of them")]
pub enum Failure {
    /// It may: a full disk, an IO error. It is retried after 30 s, then after pauses that double up to 15 minutes.
    Passing,
    /// It does not: permission denied, a file that is too large for the file system. Only
    /// [`Swarm::handle_resume`](crate::Swarm::handle_resume) tries again.
    Lasting,
}

/// Whether content is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it is fetched or not")]
pub enum Goal {
    /// Serve what is in storage and fetch nothing.
    #[default]
    Serve,
    /// Fetch every piece whose priority is not [`Priority::Skip`], and serve.
    Download,
}

/// BEP 27: whether the torrent is private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it is private or not")]
pub enum Privacy {
    /// Peers may come from any source.
    Public,
    /// Peers come from trackers and the user only.
    Private,
}

/// How urgent a piece is. All pieces of a higher priority are begun before any of a lower one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "an application chooses one of them")]
pub enum Priority {
    /// Not fetched.
    Skip,
    /// After everything else.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// Before the usual ones.
    High,
    /// Before everything else, in order, and asked of a second peer when the first one may be late.
    Now,
}

/// In which order pieces of one priority are begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an application chooses one of them")]
pub enum Order {
    /// The pieces that the fewest peers have come first: best for the swarm.
    #[default]
    RarestFirst,
    /// From the first piece to the last.
    Sequential,
    /// The first and the last piece, then from the second on: players read a file's index there.
    EndsFirst,
}

/// Why a torrent that should be downloading gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waiting {
    /// No peer is connected, and no address is known.
    NoAddresses,
    /// No peer is connected; addresses are being tried, or will be again.
    Connecting,
    /// Peers are connected, but none has a piece that we want.
    NothingOffered,
    /// Peers have pieces that we want, but all of them choke us.
    Choked,
    /// The memory of the client is in use by pieces of other torrents, or by pieces that wait to be written.
    Memory,
    /// Requests are on their way, but no block has come for some seconds.
    Unanswered,
    /// What is left was fetched from each connected peer that has it, and failed its check each time.
    Damaged,
    /// Storage has failed.
    Storage,
}
