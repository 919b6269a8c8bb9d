//! Bodies of HTTP trackers.
//! Spec: BEP 3 § "trackers", BEP 7 § "Announce Response", BEP 23, BEP 24, BEP 31, BEP 48 § "Scrape Response".
//! In: a whole body. Out: the answer, or the tracker's refusal, or what is wrong with the bytes.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use torrent_bencode::{Document, Node, Options};
use torrent_types::{InfoHash, compact};

use crate::{
    error::{DecodeError, Error, Failure, Retry, message},
    message::{AnnounceResponse, ScrapeEntry},
};

/// Most peers that are taken from one answer. Trackers send 50 to 200.
pub const MAX_PEERS: usize = 5000;

/// The interval of an answer that has none: half an hour, as most trackers say.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// Longest `tracker id` that is kept, in bytes.
const MAX_TRACKER_ID: usize = 256;

/// The body of an answer to an announce.
///
/// # Errors
/// [`Error::Failure`] with the tracker's reason, [`Error::Decode`] if the body is not a dictionary.
pub fn decode_announce(body: &[u8]) -> Result<AnnounceResponse, Error> {
    let document = parse(body)?;
    let root = document.root();
    check_failure(root)?;
    let mut peers = Vec::new();
    for (key, decode) in [("peers", decode_v4 as fn(&[u8], &mut Vec<SocketAddr>)), ("peers6", decode_v6)] {
        match root.find(key) {
            Some(node) if node.as_bytes().is_some() => decode(node.as_bytes().unwrap_or_default(), &mut peers),
            Some(node) => decode_dictionaries(node, &mut peers),
            None => {}
        }
    }
    if root.find("interval").is_none() && root.find("peers").is_none() && root.find("peers6").is_none() {
        return Err(DecodeError::Missing("interval").into());
    }
    Ok(AnnounceResponse {
        interval: seconds(root, "interval").unwrap_or(DEFAULT_INTERVAL),
        min_interval: seconds(root, "min interval"),
        peers,
        seeders: count(root, "complete"),
        leechers: count(root, "incomplete"),
        downloaded: count(root, "downloaded"),
        tracker_id: bytes(root, "tracker id").filter(|id| id.len() <= MAX_TRACKER_ID).map(<[u8]>::to_vec),
        warning: bytes(root, "warning message").map(message),
        external_ip: bytes(root, "external ip").and_then(external_ip),
        ..AnnounceResponse::default()
    })
}

/// The body of an answer to a scrape: an entry for each hash asked about, in that order, `None` if the tracker does not know it.
///
/// # Errors
/// [`Error::Failure`] with the tracker's reason, [`Error::Decode`] if the body is not what BEP 48 says.
pub fn decode_scrape(body: &[u8], info_hashes: &[InfoHash]) -> Result<Vec<Option<ScrapeEntry>>, Error> {
    let document = parse(body)?;
    let root = document.root();
    check_failure(root)?;
    let files = root.find("files").and_then(|files| files.as_dict()).ok_or(DecodeError::Missing("files"))?;
    let entry = |hash: &InfoHash| {
        // Deviation: npm's bittorrent-tracker takes the bytes of a key for characters and writes them as UTF-8.
        let as_text = || hash.as_bytes().iter().copied().map(char::from).collect::<String>();
        let node = files.find(hash.as_bytes()).or_else(|| files.find(as_text()))?;
        Some(ScrapeEntry {
            seeders: count(node, "complete").unwrap_or_default(),
            leechers: count(node, "incomplete").unwrap_or_default(),
            downloaded: count(node, "downloaded").unwrap_or_default(),
            downloaders: count(node, "downloaders"),
        })
    };
    Ok(info_hashes.iter().map(entry).collect())
}

/// The tracker's own words, if `body` holds some: they count more than the HTTP status they came with.
#[must_use]
pub fn decode_failure(body: &[u8]) -> Option<Failure> {
    match check_failure(parse(body).ok()?.root()) {
        Err(Error::Failure(failure)) => Some(failure),
        _ => None,
    }
}

fn parse(body: &[u8]) -> Result<Document<'_>, DecodeError> {
    let (document, _rest) = Document::decode_prefix(body, &Options::lenient()).map_err(|_| DecodeError::Bencode)?;
    if document.root().as_dict().is_some() { Ok(document) } else { Err(DecodeError::Bencode) }
}

/// `failure reason` (BEP 3); BEP 48 writes it with an underscore.
fn check_failure(root: Node<'_, '_>) -> Result<(), Error> {
    let Some(reason) = bytes(root, "failure reason").or_else(|| bytes(root, "failure_reason")) else { return Ok(()) };
    // BEP 31: minutes, or the word.
    let retry = root.find("retry in").and_then(|node| match node.as_bytes() {
        Some(b"never") => Some(Retry::Never),
        _ => Some(Retry::After(Duration::from_secs(number(node)?.saturating_mul(60)))),
    });
    Err(Failure::new(reason, retry).into())
}

fn decode_v4(bytes: &[u8], peers: &mut Vec<SocketAddr>) {
    let room = MAX_PEERS.saturating_sub(peers.len());
    peers.extend(compact::decode_v4(bytes).map(SocketAddr::V4).take(room));
}

fn decode_v6(bytes: &[u8], peers: &mut Vec<SocketAddr>) {
    let room = MAX_PEERS.saturating_sub(peers.len());
    peers.extend(compact::decode_v6(bytes).map(SocketAddr::V6).take(room));
}

/// The original form: a list of dictionaries with `ip` and `port`. A peer named by host name is left out, so that a
/// tracker cannot make us resolve names.
fn decode_dictionaries(node: Node<'_, '_>, peers: &mut Vec<SocketAddr>) {
    let room = MAX_PEERS.saturating_sub(peers.len());
    let address = |peer: Node<'_, '_>| {
        let ip: IpAddr = std::str::from_utf8(bytes(peer, "ip")?).ok()?.trim_matches(['[', ']']).parse().ok()?;
        let port = u16::try_from(number(peer.find("port")?)?).ok().filter(|&port| port != 0)?;
        Some(SocketAddr::new(ip.to_canonical(), port))
    };
    peers.extend(node.as_list().into_iter().flatten().filter_map(address).take(room));
}

fn external_ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(*bytes.first_chunk()?).into()),
        16 => Some(IpAddr::from(Ipv6Addr::from(*bytes.first_chunk()?)).to_canonical()),
        _ => None,
    }
}

fn bytes<'a>(node: Node<'_, 'a>, key: &str) -> Option<&'a [u8]> {
    node.find(key)?.as_bytes()
}

/// Some trackers write numbers as strings.
fn number(node: Node<'_, '_>) -> Option<u64> {
    match node.as_bytes() {
        Some(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
        None => node.as_u64(),
    }
}

fn seconds(node: Node<'_, '_>, key: &str) -> Option<Duration> {
    // u32: 136 years, so that adding it to a clock cannot overflow.
    Some(Duration::from_secs(number(node.find(key)?)?.min(u32::MAX.into())))
}

fn count(node: Node<'_, '_>, key: &str) -> Option<u32> {
    Some(u32::try_from(number(node.find(key)?)?).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn compact_peers_of_both_families() {
        let mut body =
            b"d8:completei3e11:external ip4:\x01\x02\x03\x0410:incompletei4e8:intervali900e12:min intervali60e"
                .to_vec();
        body.extend_from_slice(b"5:peers13:\x7f\x00\x00\x01\x1a\xe1\x0a\x00\x00\x01\x00\x00\xff");
        body.extend_from_slice(b"6:peers618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1");
        body.extend_from_slice(b"10:tracker id3:abc15:warning message4:h\xc3\xa9\ne");
        let answer = decode_announce(&body).unwrap();
        assert_eq!(answer.peers, addresses(&["127.0.0.1:6881", "[2001:db8::1]:6881"]));
        assert_eq!((answer.seeders, answer.leechers), (Some(3), Some(4)));
        assert_eq!(answer.interval, Duration::from_secs(900));
        assert_eq!(answer.min_interval, Some(Duration::from_secs(60)));
        assert_eq!(answer.tracker_id.as_deref(), Some(&b"abc"[..]));
        assert_eq!(answer.warning.as_deref(), Some("hé "));
        assert_eq!(answer.external_ip, Some([1, 2, 3, 4].into()));
    }

    #[test]
    fn dictionary_peers_without_names_and_port_zero() {
        let body = b"d8:intervali1e5:peersl\
            d2:ip9:127.0.0.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti1ee\
            d2:ip11:2001:db8::14:porti2eed2:ip11:example.org4:porti3eed2:ip7:1.2.3.44:porti0eed2:ip7:1.2.3.44:porti65536ee\
            i7ed4:porti1eeee";
        assert_eq!(decode_announce(body).unwrap().peers, addresses(&["127.0.0.1:1", "[2001:db8::1]:2"]));
    }

    #[test]
    fn bep31_failures_say_when_to_return() {
        for (body, retry) in [
            (&b"d14:failure reason2:noe"[..], None),
            (b"d14:failure reason2:no8:retry in5:nevere", Some(Retry::Never)),
            (b"d14:failure reason2:no8:retry ini5ee", Some(Retry::After(Duration::from_secs(300)))),
            (b"d14:failure_reason2:no8:retry in2:10e", Some(Retry::After(Duration::from_secs(600)))),
        ] {
            match decode_announce(body) {
                Err(Error::Failure(failure)) => assert_eq!((failure.reason.as_str(), failure.retry), ("no", retry)),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn bodies_that_are_no_answers_are_errors() {
        for body in [&b""[..], b"<html>", b"i1e", b"d", b"de", &[0; 4096], b"d8:interval"] {
            assert!(matches!(decode_announce(body), Err(Error::Decode(_))), "{body:?}");
        }
        // Neither peers nor numbers where they belong, but an answer still.
        let answer = decode_announce(b"d8:intervali-5e5:peersi7ee").unwrap();
        assert_eq!((answer.interval, answer.peers.len()), (DEFAULT_INTERVAL, 0));
    }

    #[test]
    fn bep48_scrapes_answer_in_the_order_asked() {
        let body =
            b"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1e10:downloadedi2e11:downloadersi4e10:incompletei3eeee";
        let answer = decode_scrape(body, &[[b'b'; 20].into(), [b'a'; 20].into()]).unwrap();
        let entry = ScrapeEntry { seeders: 1, leechers: 3, downloaded: 2, downloaders: Some(4) };
        assert_eq!(answer, [None, Some(entry)]);
        let npm = b"d5:filesd21:\xc3\xbfaaaaaaaaaaaaaaaaaaad8:completei9eeee";
        let hash = InfoHash::new(*b"\xffaaaaaaaaaaaaaaaaaaa");
        assert_eq!(decode_scrape(npm, &[hash]).unwrap()[0].map(|entry| entry.seeders), Some(9));
        assert!(matches!(decode_scrape(b"de", &[]), Err(Error::Decode(DecodeError::Missing("files")))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_announce(&bytes);
            let _ = decode_scrape(&bytes, &[[0; 20].into()]);
        }
    }
}
