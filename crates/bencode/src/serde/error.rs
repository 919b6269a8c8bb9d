//! What serde can complain about.

use alloc::{boxed::Box, string::ToString as _};
use core::{error, fmt};

use ::serde::{de, ser};

use crate::{Node, Path};

/// Bytes that are not of the type, or a type that bencoding cannot express.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Repr>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Repr {
    Bencode(crate::Error),
    /// What a type's own code says, and about which value.
    Custom {
        message: Box<str>,
        place: Option<(Path, usize)>,
    },
    /// Nothing in bencoding stands for it.
    Unsupported(&'static str),
}

impl Error {
    /// The error in the bytes, if it is one that this crate has found. What a type's own code finds has a place, and words.
    #[must_use]
    pub fn bencode(&self) -> Option<&crate::Error> {
        match &*self.0 {
            Repr::Bencode(error) => Some(error),
            Repr::Custom { .. } | Repr::Unsupported(_) => None,
        }
    }

    /// In what: the keys and indices from the root to the value. None for what is wrong with a type on its way to bytes.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &*self.0 {
            Repr::Bencode(error) => Some(error.path()),
            Repr::Custom { place, .. } => place.as_ref().map(|(path, _)| path),
            Repr::Unsupported(_) => None,
        }
    }

    /// Where: bytes from the start of the input. None for what is wrong with a type on its way to bytes.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        match &*self.0 {
            Repr::Bencode(error) => Some(error.offset()),
            Repr::Custom { place, .. } => place.as_ref().map(|(_, offset)| *offset),
            Repr::Unsupported(_) => None,
        }
    }

    pub(super) fn unsupported(what: &'static str) -> Self {
        Self(Box::new(Repr::Unsupported(what)))
    }

    /// It happened in this value, unless it is known to have happened deeper down.
    #[cold]
    pub(super) fn at(mut self, node: Node<'_, '_>) -> Self {
        if let Repr::Custom { place: place @ None, .. } = &mut *self.0 {
            *place = Some((node.path(), node.offset()));
        }
        self
    }
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        Self(Box::new(Repr::Bencode(error)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Repr::Bencode(error) => error.fmt(f),
            Repr::Custom { message, place: Some((path, offset)) } if path.is_root() => {
                write!(f, "{message} (offset {offset})")
            }
            Repr::Custom { message, place: Some((path, offset)) } => write!(f, "{path}: {message} (offset {offset})"),
            Repr::Custom { message, place: None } => f.write_str(message),
            Repr::Unsupported(what) => write!(f, "bencoding has no {what}"),
        }
    }
}

impl error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Box::new(Repr::Custom { message: message.to_string().into(), place: None }))
    }
}

impl ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        de::Error::custom(message)
    }
}
