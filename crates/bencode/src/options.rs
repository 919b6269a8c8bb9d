//! How much to accept, and how much of it. BEP 3 § "bencoding".

/// How strict a decoder is, and its limits.
///
/// The limits bound memory and stack, whatever the input: a token costs 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub(crate) lenient: bool,
    pub(crate) max_bytes: usize,
    pub(crate) max_depth: usize,
    pub(crate) max_tokens: usize,
}

impl Options {
    /// The longest input by default: 64 MiB, room for the 2,000,000 pieces of a very large torrent.
    pub const DEFAULT_MAX_BYTES: usize = 64 * 1024 * 1024;
    /// How deeply lists and dictionaries nest by default: 100, as in libtorrent.
    pub const DEFAULT_MAX_DEPTH: usize = 100;
    /// How many tokens by default: 3,000,000, as libtorrent allows a .torrent file. They cost 24 MB.
    pub const DEFAULT_MAX_TOKENS: usize = 3_000_000;

    /// No option goes past these: offsets are 32 bits, and a [`Value`](crate::Value) is dropped recursively.
    const HARD_MAX_BYTES: usize = u32::MAX as usize;
    const HARD_MAX_DEPTH: usize = 512;
    const HARD_MAX_TOKENS: usize = (1 << 29) - 2;

    /// Only canonical bencoding: whatever is accepted encodes to the same bytes again.
    #[must_use]
    pub const fn strict() -> Self {
        Self {
            lenient: false,
            max_bytes: Self::DEFAULT_MAX_BYTES,
            max_depth: Self::DEFAULT_MAX_DEPTH,
            max_tokens: Self::DEFAULT_MAX_TOKENS,
        }
    }

    /// Accepts what v1 torrents in the wild contain, each with a [`Warning`](crate::Warning): keys that are unsorted or
    /// occur twice, leading zeros, `-0`, and bytes after the value.
    #[must_use]
    pub const fn lenient() -> Self {
        Self { lenient: true, ..Self::strict() }
    }

    /// The longest input, in bytes. Offsets are 32 bits: never more than 4 GiB − 1.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = if bytes < Self::HARD_MAX_BYTES { bytes } else { Self::HARD_MAX_BYTES };
        self
    }

    /// How many lists and dictionaries may be open at once. Never more than 512: a deeper [`Value`](crate::Value) might
    /// not fit the stack of the thread that drops it.
    #[must_use]
    pub const fn max_depth(mut self, depth: usize) -> Self {
        self.max_depth = if depth < Self::HARD_MAX_DEPTH { depth } else { Self::HARD_MAX_DEPTH };
        self
    }

    /// How many tokens: each integer, string, list and dictionary is one, and each `e` of a list or dictionary.
    /// Memory is 8 bytes a token. Never more than 2^29 − 2.
    #[must_use]
    pub const fn max_tokens(mut self, tokens: usize) -> Self {
        self.max_tokens = if tokens < Self::HARD_MAX_TOKENS { tokens } else { Self::HARD_MAX_TOKENS };
        self
    }
}

/// [`Options::strict`].
impl Default for Options {
    fn default() -> Self {
        Self::strict()
    }
}
