//! How a client shall do its job, where that is not as always.

/// Options that only some tests need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "filled in by tests")]
pub struct Manner {
    /// Of connections to peers. Not all clients can be told.
    pub encryption: Encryption,
    /// A link to use in place of the torrent file.
    pub magnet: Option<String>,
    /// Whether to exchange peers with peers. libtorrent and Transmission only.
    pub pex: bool,
    /// Whether to speak uTP. libtorrent then speaks nothing else; Transmission may use TCP as well.
    pub utp: bool,
    /// Whether the tracker is a UDP one. aria2 speaks to those only with its DHT on.
    pub udp_tracker: bool,
    /// Bytes per second that a leech takes. libtorrent and Transmission only.
    pub download_limit: Option<u32>,
    /// libtorrent only, and instead of `encryption`.
    pub libtorrent: Option<LibtorrentEncryption>,
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
    /// An encrypted handshake, and then plain text if the other side agrees.
    Handshake,
    /// RC4 from the first byte to the last, or no connection.
    Required,
}

/// libtorrent's settings, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "filled in by tests")]
pub struct LibtorrentEncryption {
    /// `pe_forced`, `pe_enabled` or `pe_disabled`.
    pub out_enc_policy: &'static str,
    /// The same.
    pub in_enc_policy: &'static str,
    /// `pe_plaintext`, `pe_rc4` or `pe_both`.
    pub allowed_enc_level: &'static str,
    /// Which of both, when it is asked.
    pub prefer_rc4: bool,
}
