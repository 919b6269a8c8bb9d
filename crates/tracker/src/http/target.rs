//! The request target of an announce or a scrape, written by hand: the tracker's own query first and untouched.
//! Spec: BEP 3 § "trackers", BEP 7 § "Announce Parameter", BEP 23, BEP 48 § "Scrape Request".

use std::fmt::Write as _;

use torrent_types::InfoHash;

use crate::{
    error::UrlError,
    message::{AnnounceRequest, Event},
    url::TrackerUrl,
};

/// Path and query of an announce to `url`.
///
/// # Errors
/// [`UrlError::Reserved`] if the URL came with a parameter that only we may set.
pub fn announce_target(url: &TrackerUrl, request: &AnnounceRequest) -> Result<String, UrlError> {
    url.check_reserved()?;
    let mut query = Query::after(url.target());
    query.bytes("info_hash", request.info_hash.as_bytes());
    query.bytes("peer_id", request.peer_id.as_bytes());
    query.number("port", request.port.into());
    query.number("uploaded", request.uploaded);
    query.number("downloaded", request.downloaded);
    query.number("left", request.told_left());
    query.number("compact", 1);
    query.text("key", format_args!("{:08X}", request.key));
    if let Some(event) = request.event {
        query.text("event", format_args!("{}", event.as_str()));
    }
    // A torrent that stops wants no peers.
    let num_want = if request.event == Some(Event::Stopped) { Some(0) } else { request.num_want };
    if let Some(num_want) = num_want {
        query.number("numwant", num_want.into());
    }
    if let Some(ip) = request.ipv4 {
        query.bytes("ipv4", ip.to_string().as_bytes());
    }
    if let Some(ip) = request.ipv6 {
        query.bytes("ipv6", ip.to_string().as_bytes());
    }
    if let Some(id) = &request.tracker_id {
        query.bytes("trackerid", id);
    }
    Ok(query.target)
}

/// Path and query of a scrape; `url` is the scrape URL (see [`TrackerUrl::scrape`]).
#[must_use]
pub fn scrape_target(url: &TrackerUrl, info_hashes: &[InfoHash]) -> String {
    let mut query = Query::after(url.target());
    for hash in info_hashes {
        query.bytes("info_hash", hash.as_bytes());
    }
    query.target
}

struct Query {
    target: String,
    separator: char,
}

impl Query {
    fn after(target: &str) -> Self {
        let separator = match target.split_once('?') {
            None => '?',
            Some((_, "")) => '\0',
            Some(_) if target.ends_with('&') => '\0',
            Some(_) => '&',
        };
        Self { target: target.to_owned(), separator }
    }

    fn name(&mut self, name: &str) {
        if self.separator != '\0' {
            self.target.push(self.separator);
        }
        self.separator = '&';
        self.target.push_str(name);
        self.target.push('=');
    }

    fn bytes(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        for &byte in value {
            match byte {
                // RFC 3986 § 2.3, unreserved.
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    self.target.push(char::from(byte))
                }
                _ => percent(byte, &mut self.target),
            }
        }
    }

    fn number(&mut self, name: &str, value: u64) {
        self.text(name, format_args!("{value}"));
    }

    fn text(&mut self, name: &str, value: std::fmt::Arguments<'_>) {
        self.name(name);
        self.target.write_fmt(value).expect("writing to a String does not fail");
    }
}

/// Appends `%XX`.
pub(crate) fn percent(byte: u8, out: &mut String) {
    write!(out, "%{byte:02X}").expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request() -> AnnounceRequest {
        let mut request = AnnounceRequest::new((*b"\x00\x7f\xff aZ09-._~%&=+?/#\n").into(), [b'p'; 20].into(), 6881);
        request.left = Some(7);
        request
    }

    fn announce(url: &str, request: &AnnounceRequest) -> String {
        announce_target(&url.parse().unwrap(), request).unwrap()
    }

    #[test]
    fn every_byte_of_a_hash_arrives() {
        assert_eq!(
            announce("http://t/announce", &request()),
            "/announce?info_hash=%00%7F%FF%20aZ09-._~%25%26%3D%2B%3F%2F%23%0A&peer_id=pppppppppppppppppppp\
             &port=6881&uploaded=0&downloaded=0&left=7&compact=1&key=00000000"
        );
    }

    #[test]
    fn an_existing_query_stays_in_front_untouched() {
        for (url, start) in [
            ("http://t/a?pk=%2f+x", "/a?pk=%2f+x&info_hash="),
            ("http://t/a?", "/a?info_hash="),
            ("http://t/a?x&", "/a?x&info_hash="),
            ("http://t", "/?info_hash="),
        ] {
            assert!(announce(url, &request()).starts_with(start), "{url}");
        }
    }

    #[test]
    fn optional_parameters_follow() {
        let mut request = request();
        request.event = Some(Event::Started);
        request.num_want = Some(30);
        request.ipv4 = Some([1, 2, 3, 4].into());
        request.ipv6 = Some("2001:db8::1".parse().unwrap());
        request.tracker_id = Some(b"a b".to_vec());
        let target = announce("http://t/a", &request);
        assert!(
            target.ends_with("&event=started&numwant=30&ipv4=1.2.3.4&ipv6=2001%3Adb8%3A%3A1&trackerid=a%20b"),
            "{target}"
        );
        request.event = Some(Event::Stopped);
        assert!(announce("http://t/a", &request).contains("&event=stopped&numwant=0&"));
    }

    #[test]
    fn bep48_scrapes_repeat_the_hash() {
        let url = "http://t/scrape?x=1".parse().unwrap();
        let target = scrape_target(&url, &[[b'a'; 20].into(), [b'b'; 20].into()]);
        assert_eq!(target, "/scrape?x=1&info_hash=aaaaaaaaaaaaaaaaaaaa&info_hash=bbbbbbbbbbbbbbbbbbbb");
    }

    proptest! {
        #[test]
        fn percent_encoding_decodes_to_the_same_bytes(hash in any::<[u8; 20]>()) {
            let target = scrape_target(&"http://t/scrape".parse().unwrap(), &[hash.into()]);
            let value = target.split_once('=').unwrap().1.as_bytes();
            let (mut decoded, mut rest) = (Vec::new(), value);
            while let [byte, tail @ ..] = rest {
                rest = tail;
                if *byte == b'%' {
                    decoded.push(u8::from_str_radix(std::str::from_utf8(&rest[..2]).unwrap(), 16).unwrap());
                    rest = &rest[2..];
                } else {
                    decoded.push(*byte);
                }
            }
            prop_assert_eq!(decoded, hash);
        }
    }
}
