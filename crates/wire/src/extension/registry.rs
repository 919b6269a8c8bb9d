//! Which extensions there are, and under which numbers both sides know them. BEP 10 § "handshake message".
//! The peer's numbers are kept only for names that we have offered, so a peer cannot make the registry grow.

use std::{borrow::Cow, error, fmt, sync::Arc};

use super::ExtendedHandshake;

/// The most extensions that one side can offer.
const MAX_EXTENSIONS: usize = 32;

/// The number under which this side takes messages of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtensionId(u8);

impl ExtensionId {
    /// `ut_metadata`, BEP 9.
    pub const METADATA: Self = Self(1);
    /// `ut_pex`, BEP 11.
    pub const PEX: Self = Self(2);
    /// `lt_donthave`, BEP 54. Its payload is the number of the piece, 4 bytes, big-endian.
    pub const DONT_HAVE: Self = Self(3);
    /// `ut_holepunch`, BEP 55.
    pub const HOLEPUNCH: Self = Self(4);

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    fn slot(self) -> usize {
        usize::from(self.0).wrapping_sub(1)
    }
}

/// The extensions that this side takes messages of; one value serves all connections.
///
/// ```
/// # use torrent_wire::{ExtensionId, Extensions};
/// // A private torrent has no peer exchange; our own extension comes on top.
/// let mut extensions = Extensions::standard().without(ExtensionId::PEX);
/// let chat = extensions.register("xy_chat")?;
/// assert_eq!(extensions.iter().last(), Some(("xy_chat", chat)));
/// # Ok::<(), torrent_wire::ExtensionsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// The extension with id `n` is at `n - 1`.
    names: Vec<Option<Cow<'static, str>>>,
}

impl Extensions {
    /// None. Registered ones are numbered behind the well-known ones all the same.
    #[must_use]
    pub fn none() -> Self {
        Self { names: vec![None; STANDARD.len()] }
    }

    /// The ones that this crate understands: `ut_metadata`, `ut_pex`, `lt_donthave` and `ut_holepunch`.
    #[must_use]
    pub fn standard() -> Self {
        Self { names: STANDARD.iter().map(|name| Some(Cow::Borrowed(*name))).collect() }
    }

    /// Leaves one out.
    #[must_use]
    pub fn without(mut self, extension: ExtensionId) -> Self {
        if let Some(name) = self.names.get_mut(extension.slot()) {
            *name = None;
        }
        self
    }

    /// Adds an extension of the application's.
    ///
    /// # Errors
    /// If the name is taken, or there are 32 extensions already.
    pub fn register(&mut self, name: impl Into<Cow<'static, str>>) -> Result<ExtensionId, ExtensionsError> {
        let name = name.into();
        if self.iter().any(|(taken, _)| taken == name) {
            return Err(ExtensionsError::NameTaken);
        }
        if self.names.len() >= MAX_EXTENSIONS {
            return Err(ExtensionsError::TooMany);
        }
        self.names.push(Some(name));
        u8::try_from(self.names.len()).map(ExtensionId).map_err(|_| ExtensionsError::TooMany)
    }

    /// Names and numbers, in order of the numbers.
    pub fn iter(&self) -> impl Iterator<Item = (&str, ExtensionId)> {
        (1..).zip(&self.names).filter_map(|(id, name)| Some((name.as_deref()?, ExtensionId(id))))
    }
}

impl Default for Extensions {
    fn default() -> Self {
        Self::standard()
    }
}

/// In the order of the constants of [`ExtensionId`].
const STANDARD: [&str; 4] = ["ut_metadata", "ut_pex", "lt_donthave", "ut_holepunch"];

/// Why an extension cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtensionsError {
    /// There is one of this name.
    NameTaken,
    /// There are 32.
    TooMany,
}

impl fmt::Display for ExtensionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameTaken => "an extension of this name is registered",
            Self::TooMany => "more than 32 extensions",
        })
    }
}

impl error::Error for ExtensionsError {}

/// The extensions of one connection: ours, and the peer's numbers for them.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    ours: Arc<Extensions>,
    /// The peer's numbers, 0 for extensions that it does not take.
    theirs: [u8; MAX_EXTENSIONS],
    /// One bit for each of ours that we no longer take.
    withdrawn: u32,
}

impl Registry {
    pub(crate) const fn new(ours: Arc<Extensions>) -> Self {
        Self { ours, theirs: [0; MAX_EXTENSIONS], withdrawn: 0 }
    }

    /// Names and numbers for the extended handshake; 0 takes an offer back.
    pub(crate) fn offered(&self) -> impl Iterator<Item = (&str, u8)> {
        self.ours.iter().map(|(name, id)| (name, if self.is_withdrawn(id) { 0 } else { id.get() }))
    }

    /// Which of our extensions has this number.
    pub(crate) fn local(&self, id: u8) -> Option<ExtensionId> {
        let id = ExtensionId(id);
        self.ours.names.get(id.slot())?.as_ref()?;
        (!self.is_withdrawn(id)).then_some(id)
    }

    /// The peer's number for an extension, if it takes it.
    pub(crate) fn remote_id(&self, extension: ExtensionId) -> Option<u8> {
        self.theirs.get(extension.slot()).copied().filter(|id| *id != 0)
    }

    /// Later handshakes add to earlier ones; 0 takes an offer back.
    pub(crate) fn learn(&mut self, handshake: &ExtendedHandshake<'_>) {
        handshake.for_each_extension(|name, number| {
            let ours = self.ours.iter().find(|(ours, _)| ours.as_bytes() == name);
            if let Some(theirs) = ours.and_then(|(_, id)| self.theirs.get_mut(id.slot())) {
                *theirs = number;
            }
        });
    }

    pub(crate) fn withdraw(&mut self, extension: ExtensionId) {
        self.withdrawn |= bit(extension);
    }

    fn is_withdrawn(&self, extension: ExtensionId) -> bool {
        self.withdrawn & bit(extension) != 0
    }
}

fn bit(extension: ExtensionId) -> u32 {
    u32::try_from(extension.slot()).ok().and_then(|slot| 1_u32.checked_shl(slot)).unwrap_or(0)
}
