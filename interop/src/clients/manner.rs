//! How a client shall do its job, where that is not as always.

/// Options that only some tests need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "filled in by tests")]
pub struct Manner {
    /// Of connections to peers. Not all clients can be told.
    pub encryption: Encryption,
    /// A link to use in place of the torrent file.
    pub magnet: Option<String>,
    /// Whether to exchange peers with peers. libtorrent only.
    pub pex: bool,
    /// Whether the tracker is a UDP one. aria2 speaks to those only with its DHT on.
    pub udp_tracker: bool,
    /// Bytes per second that a leech takes. libtorrent only.
    pub download_limit: Option<u32>,
}

/// What a client thinks of encrypted connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a client that forgets one shall not compile")]
pub enum Encryption {
    /// What the client does when nobody tells it.
    #[default]
    AsAlways,
    /// Plain connections only.
    Never,
    /// RC4 from the first byte to the last, or no connection.
    Required,
}
