//! Magnet links: what is known of a torrent before its metadata. BEP 9 § "magnet URI format", BEP 52 (`urn:btmh`), BEP 53.
//! In: text. Out: [`Magnet`], and text again. Never: what the addresses in it lead to; they are data from strangers.

mod encoding;
mod error;
mod hash;
mod parse;
mod paste;
mod selection;
mod topic;

use std::fmt;

use encoding::Escaped;
pub use error::MagnetError;
pub use hash::HashError;
pub(crate) use parse::addresses;
pub use paste::links;
pub use selection::{FileSelection, MAX_SELECTION_RANGES};
use torrent_types::HostPort;

use crate::InfoHashes;

/// The longest magnet link, in bytes.
pub const MAX_MAGNET_LENGTH: usize = 256 * 1024;

/// A magnet link.
///
/// Printing gives the parameters in a fixed order; parsing that again gives an equal value. Empty names and addresses are
/// not printed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Magnet {
    /// `xt`: `urn:btih` (hexadecimal or base32) and `urn:btmh`.
    pub info_hashes: InfoHashes,
    /// `dn`: what to call it until the metadata is there. Unsafe as a file name, see [`sanitize_element`].
    ///
    /// [`sanitize_element`]: crate::path::sanitize_element
    pub name: Option<String>,
    /// `xl`: length in bytes of the content.
    pub length: Option<u64>,
    /// `so`: the files that are wanted; all where absent. BEP 53.
    pub selection: Option<FileSelection>,
    /// `tr`: trackers, in order; each is a tier of its own.
    pub trackers: Vec<String>,
    /// `ws`: web seeds.
    pub web_seeds: Vec<String>,
    /// `xs`: where the .torrent file itself is.
    pub exact_sources: Vec<String>,
    /// `as`: where it may be, too.
    pub acceptable_sources: Vec<String>,
    /// `x.pe`: peers to try first.
    pub peers: Vec<HostPort>,
    /// Everything else, in order: keys and values as they stood there, still escaped. An `xl` or `x.pe` that cannot be
    /// read is here, too: both are hints, and the link is good without them.
    pub other: Vec<(String, String)>,
}

impl Magnet {
    /// A link that says nothing but what torrent it is.
    #[must_use]
    pub fn new(info_hashes: impl Into<InfoHashes>) -> Self {
        Self {
            info_hashes: info_hashes.into(),
            name: None,
            length: None,
            selection: None,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            exact_sources: Vec::new(),
            acceptable_sources: Vec::new(),
            peers: Vec::new(),
            other: Vec::new(),
        }
    }
}

impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = '?';
        let mut parameter = |f: &mut fmt::Formatter<'_>, key: &str, value: &dyn fmt::Display| {
            write!(f, "{separator}{key}={value}")?;
            separator = '&';
            Ok(())
        };
        f.write_str("magnet:")?;
        if let Some(hash) = self.info_hashes.v1() {
            parameter(f, "xt", &format_args!("urn:btih:{hash}"))?;
        }
        if let Some(hash) = self.info_hashes.v2() {
            parameter(f, "xt", &format_args!("urn:btmh:{}{hash}", hash::SHA256_PREFIX))?;
        }
        if let Some(name) = self.name.as_ref().filter(|name| !name.is_empty()) {
            parameter(f, "dn", &Escaped(name))?;
        }
        if let Some(length) = &self.length {
            parameter(f, "xl", length)?;
        }
        if let Some(selection) = &self.selection {
            parameter(f, "so", selection)?;
        }
        let lists = [
            ("tr", &self.trackers),
            ("ws", &self.web_seeds),
            ("xs", &self.exact_sources),
            ("as", &self.acceptable_sources),
        ];
        for (key, urls) in lists {
            urls.iter().filter(|url| !url.is_empty()).try_for_each(|url| parameter(f, key, &Escaped(url)))?;
        }
        self.peers.iter().try_for_each(|peer| parameter(f, "x.pe", peer))?;
        self.other.iter().try_for_each(|(key, value)| parameter(f, key, value))
    }
}

#[cfg(test)]
mod tests;
