//! Magnet links: what is known of a torrent before its metadata. BEP 9 § "magnet URI format", BEP 52 (`urn:btmh`), BEP 53.
//! In: text. Out: [`Magnet`], and text again. Never: what the addresses in it lead to; they are data from strangers.

mod encoding;
mod error;
mod selection;
mod topic;

use std::{fmt, str::FromStr};

use encoding::{Escaped, decode_component, decode_form};
pub use error::MagnetError;
pub use selection::{FileSelection, MAX_SELECTION_RANGES};
use torrent_types::HostPort;

use crate::InfoHashes;

/// The longest magnet link, in bytes.
pub const MAX_MAGNET_LENGTH: usize = 256 * 1024;

/// A magnet link.
///
/// Printing gives the parameters in a fixed order; parsing that again gives an equal value.
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
    /// Whatever else there was, in order: key and value as they stood there, still escaped. An `xl` or `x.pe` that cannot be
    /// read is here, too: both are hints, and the link is good without.
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

impl FromStr for Magnet {
    type Err = MagnetError;

    /// # Errors
    /// If it is no magnet link, names no BitTorrent info hash or two different ones, or `so` cannot be read.
    fn from_str(text: &str) -> Result<Self, MagnetError> {
        let text = text.trim();
        if text.len() > MAX_MAGNET_LENGTH {
            return Err(MagnetError::TooLong);
        }
        let query = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("magnet:")).and_then(|_| text.get(7..));
        let query = query.and_then(|query| query.strip_prefix('?')).ok_or(MagnetError::NotMagnet)?;
        let query = query.split_once('#').map_or(query, |(query, _fragment)| query);

        let (mut v1, mut v2) = (None, None);
        let mut magnet = Self::new(InfoHashes::EMPTY);
        for (raw_key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match plain_key(raw_key) {
                "xt" => match topic::parse(&decode_component(value))? {
                    topic::Topic::V1(hash) if v1.is_none_or(|known| known == hash) => v1 = Some(hash),
                    topic::Topic::V2(hash) if v2.is_none_or(|known| known == hash) => v2 = Some(hash),
                    topic::Topic::Other => magnet.keep(raw_key, value),
                    _ => return Err(MagnetError::TwoTorrents),
                },
                "dn" if magnet.name.is_none() => magnet.name = Some(decode_form(value)),
                "xl" if magnet.length.is_none() => match value.parse() {
                    Ok(length) => magnet.length = Some(length),
                    Err(_) => magnet.keep(raw_key, value),
                },
                "so" => {
                    let selection = magnet.selection.get_or_insert_with(FileSelection::default);
                    selection.extend_from(&decode_component(value)).ok_or(MagnetError::Selection)?;
                }
                "tr" => magnet.trackers.push(decode_component(value)),
                "ws" => magnet.web_seeds.push(decode_component(value)),
                "xs" => magnet.exact_sources.push(decode_component(value)),
                "as" => magnet.acceptable_sources.push(decode_component(value)),
                "x.pe" => match decode_component(value).parse() {
                    Ok(peer) => magnet.peers.push(peer),
                    Err(_) => magnet.keep(raw_key, value),
                },
                _ => magnet.keep(raw_key, value),
            }
        }
        magnet.info_hashes = InfoHashes::new(v1, v2).ok_or(MagnetError::NoInfoHash)?;
        Ok(magnet)
    }
}

impl Magnet {
    fn keep(&mut self, key: &str, value: &str) {
        self.other.push((without_spaces(key), without_spaces(value)));
    }
}

/// White space has no place in a link, and at its end would be lost.
fn without_spaces(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).fold(String::with_capacity(text.len()), |mut escaped, part| {
        let (text, space) = part.split_at(part.trim_end_matches(char::is_whitespace).len());
        escaped.push_str(text);
        escaped.push_str(&Escaped(space).to_string());
        escaped
    })
}

/// `tr.3` is another `tr`. BEP 9 knows no numbers, but the magnet draft does, and links in the wild have them.
fn plain_key(key: &str) -> &str {
    match key.split_once('.') {
        Some((plain @ ("xt" | "tr" | "ws" | "xs" | "as" | "dn"), number))
            if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            plain
        }
        _ => key,
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
            parameter(f, "xt", &format_args!("urn:btmh:{}{hash}", topic::SHA256_PREFIX))?;
        }
        if let Some(name) = &self.name {
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
            urls.iter().try_for_each(|url| parameter(f, key, &Escaped(url)))?;
        }
        self.peers.iter().try_for_each(|peer| parameter(f, "x.pe", peer))?;
        self.other.iter().try_for_each(|(key, value)| parameter(f, key, value))
    }
}

#[cfg(test)]
mod tests;
