//! Values that stay encoded: what must keep its bytes, such as an `info` dictionary.

use alloc::boxed::Box;
use core::fmt;

use crate::{Document, Error, ErrorKind, Options, Path, show::Quoted};

/// One encoded value, checked but not taken apart; borrowed.
///
/// It need not be canonical: to write a torrent again without changing its info hash, `info` must keep the bytes it has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawValue<'a>(&'a [u8]);

/// One encoded value, checked but not taken apart; owned.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RawValueBuf(Box<[u8]>);

impl<'a> RawValue<'a> {
    /// Checks that the bytes are exactly one value. Accepts what [`Options::lenient`] does, except bytes after it.
    ///
    /// # Errors
    /// If they are not.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let (_, rest) = Document::decode_prefix(bytes, &Options::lenient())?;
        if rest.is_empty() {
            return Ok(Self(bytes));
        }
        Err(Error::new(ErrorKind::TrailingBytes, bytes.len().saturating_sub(rest.len()), Path::root()))
    }

    /// For bytes that have been decoded before.
    pub(crate) const fn trusted(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The encoded bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// A copy that owns its bytes.
    #[must_use]
    pub fn to_buf(&self) -> RawValueBuf {
        RawValueBuf(self.0.into())
    }
}

impl RawValueBuf {
    /// Lends it.
    #[must_use]
    pub fn borrow(&self) -> RawValue<'_> {
        RawValue(&self.0)
    }

    /// The encoded bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<RawValue<'_>> for RawValueBuf {
    fn from(raw: RawValue<'_>) -> Self {
        raw.to_buf()
    }
}

impl fmt::Debug for RawValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RawValue").field(&Quoted(self.0)).finish()
    }
}

impl fmt::Debug for RawValueBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RawValueBuf").field(&Quoted(&self.0)).finish()
    }
}
