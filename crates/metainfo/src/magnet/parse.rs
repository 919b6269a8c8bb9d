//! From text to [`Magnet`]. BEP 9 § "magnet URI format". Links are read as they are found, not only as they should be.

use std::str::FromStr;

use super::{
    FileSelection, MAX_MAGNET_LENGTH, Magnet, MagnetError,
    encoding::{Escaped, decode_component, decode_form},
    hash::{looks_like_hash, strip_prefix},
    paste, topic,
};
use crate::InfoHashes;

/// What may stand in front of an address that shares a text with others.
const SCHEMES: [&str; 5] = ["http://", "https://", "udp://", "ws://", "wss://"];

impl FromStr for Magnet {
    type Err = MagnetError;

    /// Reads a link, or a bare info hash in any form that [`InfoHashes`] can be read from.
    ///
    /// A link is taken as people copy it: with HTML escapes, white space, quotes or a byte order mark around it, wrapped
    /// over lines, with `#`, `&` and spaces that should have been escaped, with keys in capitals, and with several trackers in
    /// one `tr`.
    ///
    /// # Errors
    /// If it is no magnet link, there are several, it names no BitTorrent info hash or two different ones, or `so` cannot
    /// be read.
    fn from_str(text: &str) -> Result<Self, MagnetError> {
        if text.len() > MAX_MAGNET_LENGTH {
            return Err(MagnetError::TooLong);
        }
        let links = paste::links(text);
        let link = match &*links {
            [link] => &**link,
            [] => return Err(MagnetError::NotMagnet),
            several => return Err(MagnetError::SeveralLinks { found: several.len() }),
        };
        match paste::query(link) {
            // Once more, for an escape may have been broken over two lines.
            Some(query) => from_query(&paste::unescape_html(&query)),
            None if looks_like_hash(link) => {
                let hashes = link.parse::<InfoHashes>();
                hashes.map(Self::new).map_err(|fault| MagnetError::InfoHash { topic: 0, fault })
            }
            None => Err(MagnetError::NotMagnet),
        }
    }
}

fn from_query(query: &str) -> Result<Magnet, MagnetError> {
    let (mut v1, mut v2) = (None, None);
    let mut magnet = Magnet::new(InfoHashes::EMPTY);
    let mut topics = 0_usize;
    let mut last_is_name = false;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some((raw_key, value)) = pair.split_once('=') else {
            // A name that has `&` in it, not escaped: the rest of it.
            if let Some(name) = magnet.name.as_mut().filter(|_| last_is_name) {
                name.push('&');
                name.push_str(&decode_form(pair));
            }
            continue;
        };
        let key = plain_key(raw_key);
        last_is_name = key == "dn" && magnet.name.is_none();
        match &*key {
            "xt" => {
                topics = topics.saturating_add(1);
                let fault = |fault| MagnetError::InfoHash { topic: topics, fault };
                match topic::parse(&hint(value)).map_err(fault)? {
                    topic::Topic::V1(hash) if v1.is_none_or(|known| known == hash) => v1 = Some(hash),
                    topic::Topic::V2(hash) if v2.is_none_or(|known| known == hash) => v2 = Some(hash),
                    topic::Topic::Other => keep(&mut magnet, raw_key, value),
                    _ => return Err(MagnetError::TwoTorrents),
                }
            }
            "dn" if magnet.name.is_none() => magnet.name = Some(decode_form(value)).filter(|name| !name.is_empty()),
            "xl" if magnet.length.is_none() => match hint(value).parse() {
                Ok(length) => magnet.length = Some(length),
                Err(_) => keep(&mut magnet, raw_key, value),
            },
            "so" => {
                let selection = magnet.selection.get_or_insert_with(FileSelection::default);
                selection.extend_from(&hint(value)).ok_or(MagnetError::Selection)?;
            }
            "tr" => magnet.trackers.extend(addresses(&decode_component(value)).map(str::to_owned)),
            "ws" => magnet.web_seeds.extend(address(value)),
            "xs" => magnet.exact_sources.extend(address(value)),
            "as" => magnet.acceptable_sources.extend(address(value)),
            "x.pe" => match hint(value).parse() {
                Ok(peer) => magnet.peers.push(peer),
                Err(_) => keep(&mut magnet, raw_key, value),
            },
            _ => keep(&mut magnet, raw_key, value),
        }
    }
    magnet.info_hashes = InfoHashes::new(v1, v2).ok_or(MagnetError::NoInfoHash)?;
    Ok(magnet)
}

/// A value that has neither white space nor `#`: what follows a `#` there is a fragment, which means nothing to us. In names
/// and addresses it is theirs.
fn hint(value: &str) -> String {
    let value = value.split_once('#').map_or(value, |(value, _fragment)| value);
    decode_component(value).chars().filter(|char| !paste::is_space(*char)).collect()
}

fn address(value: &str) -> Option<String> {
    let text = decode_component(value);
    let text = text.trim_matches(paste::is_space);
    (!text.is_empty()).then(|| text.to_owned())
}

/// The addresses in a text that should hold one: cut at commas, semicolons, bars and white space that have another scheme
/// behind them.
pub(crate) fn addresses(text: &str) -> impl Iterator<Item = &str> {
    let is_separator = |char: char| matches!(char, ',' | ';' | '|') || paste::is_space(char);
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_matches(is_separator);
        if rest.is_empty() {
            return None;
        }
        let begins = |at: usize| {
            let rest = rest.get(at..).unwrap_or_default();
            SCHEMES.iter().any(|scheme| strip_prefix(rest, scheme).is_some())
        };
        let ends = rest.char_indices().filter(|(_, char)| is_separator(*char));
        let cut = ends.map(|(at, char)| (at, at.saturating_add(char.len_utf8()))).find(|(_, next)| begins(*next));
        let (first, after) = match cut {
            Some((end, next)) => (rest.get(..end)?, rest.get(next..)?),
            None => (rest, ""),
        };
        rest = after;
        Some(first.trim_matches(is_separator))
    })
}

fn keep(magnet: &mut Magnet, key: &str, value: &str) {
    magnet.other.push((escape_doubtful(key), escape_doubtful(value)));
}

/// White space has no place in a link; with quotes and brackets it would be lost at the end of one.
fn escape_doubtful(text: &str) -> String {
    let is_doubtful = |char: char| paste::is_space(char) || matches!(char, '"' | '<' | '>' | ',') || char.is_control();
    text.split_inclusive(is_doubtful).fold(String::with_capacity(text.len()), |mut escaped, part| {
        let (text, doubtful) = part.split_at(part.trim_end_matches(is_doubtful).len());
        escaped.push_str(text);
        escaped.push_str(&Escaped(doubtful).to_string());
        escaped
    })
}

/// Keys in small letters. `tr.3` is another `tr`: BEP 9 knows no numbers, but the magnet draft does, and links in the wild
/// have them.
fn plain_key(key: &str) -> String {
    let key = key.trim_matches(paste::is_space).to_ascii_lowercase();
    match key.split_once('.') {
        Some((plain @ ("xt" | "tr" | "ws" | "xs" | "as" | "dn"), number))
            if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            plain.to_owned()
        }
        _ => key,
    }
}
