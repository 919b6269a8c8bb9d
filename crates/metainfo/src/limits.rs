//! How large a torrent may be. The limits bound memory; they lie above every torrent that is known to exist.

/// How much of a torrent is read, at most.
///
/// Reading costs the bytes themselves, 8 bytes a value while it lasts, and then some 200 bytes and its name for each file. So
/// with the default limits it is at most 384 MiB for the bytes and values, for a file of 256 MiB that holds nothing else.
///
/// ```
/// use torrent_metainfo::{Limits, Metainfo};
///
/// let small = Limits::default().max_bytes(1024);
/// assert!(Metainfo::from_bytes_within(vec![b'd'; 2000], &small).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    max_bytes: usize,
    max_values: usize,
}

impl Limits {
    /// The longest .torrent file by default: 256 MiB. That is room for both hashes of 4,194,304 pieces, which are 218 MB.
    pub const DEFAULT_MAX_BYTES: usize = 256 * 1024 * 1024;
    /// The most values by default: 16,777,216. A hybrid of 300,000 files has 11 million of them.
    ///
    /// Each integer, string, list and dictionary is one, and so is each end of a list or dictionary.
    pub const DEFAULT_MAX_VALUES: usize = 16 * 1024 * 1024;

    /// The longest .torrent file, in bytes. Never more than 4 GiB - 1.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The most values. Never more than 2^29 - 2.
    #[must_use]
    pub const fn max_values(mut self, values: usize) -> Self {
        self.max_values = values;
        self
    }

    /// The longest .torrent file, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.max_bytes
    }

    /// The most values.
    #[must_use]
    pub const fn values(&self) -> usize {
        self.max_values
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: Self::DEFAULT_MAX_BYTES, max_values: Self::DEFAULT_MAX_VALUES }
    }
}
