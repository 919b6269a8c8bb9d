//! What a lenient decoder has let pass.

use core::fmt;

/// One departure from canonical bencoding, accepted because the [`Options`](crate::Options) were lenient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning {
    kind: WarningKind,
    offset: u32,
}

/// What was not canonical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningKind {
    /// A dictionary has the same key twice. The first counts.
    DuplicateKey,
    /// An integer or the length of a string begins with a zero that says nothing.
    LeadingZero,
    /// `i-0e`.
    NegativeZero,
    /// Bytes follow the value.
    TrailingBytes,
    /// A key sorts before the key in front of it.
    UnsortedKey,
}

impl Warning {
    /// A hostile file may hold millions; the first 64 say what there is to say.
    pub(crate) const MAX_KEPT: usize = 64;

    pub(crate) const fn new(kind: WarningKind, offset: u32) -> Self {
        Self { kind, offset }
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> WarningKind {
        self.kind
    }

    /// Where it is: bytes from the start of the input, to the key or number concerned.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset as usize
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}", self.kind, self.offset)
    }
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DuplicateKey => "key occurs twice",
            Self::LeadingZero => "leading zero",
            Self::NegativeZero => "negative zero",
            Self::TrailingBytes => "bytes after the value",
            Self::UnsortedKey => "key out of order",
        })
    }
}
