//! What is wrong with the bytes, where, and on the way to what.

use core::{error, fmt};

use crate::{Kind, Path};

/// The bytes are not bencoding, or not of the expected shape: `info.files[3].length: expected an integer, found a string
/// (offset 123)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    offset: usize,
    path: Path,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// More lists and dictionaries are open than `max_depth` allows.
    DepthLimit,
    /// A dictionary has the same key twice.
    DuplicateKey,
    /// The input is longer than `max_bytes` allows.
    InputTooLong,
    /// An integer that does not fit: neither `i64` nor `u64`, or not the type asked for.
    IntegerOutOfRange,
    /// `i`, but then not an optional `-`, digits and `e`.
    InvalidInteger,
    /// A digit, but then not digits and a colon; or more digits than a length can have.
    InvalidLength,
    /// Text was asked for, but the string is not UTF-8.
    InvalidUtf8,
    /// A key of a dictionary is not a string.
    KeyNotString,
    /// An integer or length begins with a zero that says nothing.
    LeadingZero,
    /// The dictionary has no such key; the path names it.
    MissingKey,
    /// A key is followed by the end of its dictionary.
    MissingValue,
    /// `i-0e`.
    NegativeZero,
    /// A string claims to be longer than what is left of the input.
    StringTooLong,
    /// There are more tokens than `max_tokens` allows.
    TokenLimit,
    /// Bytes follow the value.
    TrailingBytes,
    /// No value begins with this byte.
    UnexpectedByte(u8),
    /// The input ends in the middle of a value.
    UnexpectedEnd,
    /// A key sorts before the key in front of it.
    UnsortedKey,
    /// A value of another kind was asked for.
    WrongKind {
        /// What was asked for.
        expected: Kind,
        /// What is there.
        found: Kind,
    },
    /// A string of another length was asked for.
    WrongLength {
        /// Bytes asked for.
        expected: usize,
        /// Bytes there.
        found: usize,
    },
}

impl Error {
    pub(crate) const fn new(kind: ErrorKind, offset: usize, path: Path) -> Self {
        Self { kind, offset, path }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Where: bytes from the start of the input.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// In what: the keys and indices from the root to the value.
    #[must_use]
    pub const fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_root() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} (offset {})", self.kind, self.offset)
    }
}

impl error::Error for Error {}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::DepthLimit => "nested too deeply",
            Self::DuplicateKey => "key occurs twice",
            Self::InputTooLong => "input too long",
            Self::IntegerOutOfRange => "integer out of range",
            Self::InvalidInteger => "invalid integer",
            Self::InvalidLength => "invalid string length",
            Self::InvalidUtf8 => "not UTF-8",
            Self::KeyNotString => "dictionary key is not a string",
            Self::LeadingZero => "leading zero",
            Self::MissingKey => "missing",
            Self::MissingValue => "key without a value",
            Self::NegativeZero => "negative zero",
            Self::StringTooLong => "string longer than the rest of the input",
            Self::TokenLimit => "too many values",
            Self::TrailingBytes => "bytes after the value",
            Self::UnexpectedByte(byte) => return write!(f, "unexpected byte '{}'", byte.escape_ascii()),
            Self::UnexpectedEnd => "unexpected end of input",
            Self::UnsortedKey => "key out of order",
            Self::WrongKind { expected, found } => return write!(f, "expected {expected}, found {found}"),
            Self::WrongLength { expected, found } => {
                return write!(f, "expected a string of {expected} bytes, found {found}");
            }
        })
    }
}
