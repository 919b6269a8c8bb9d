//! Answers HTTP. BEP 3, 7, 21, 23, 24, 48, server side, over as much HTTP/1.1 as a tracker needs.
//! In: what a connection has sent so far. Out: answers to the complete requests in it, in order (pipelining, keep-alive).
//! Never: sockets, bodies of requests, anything but GET, nor an address that a request claims (`ip`, `ipv4`, `ipv6`): a
//! client that may name another's address can send a swarm there.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use torrent_types::{InfoHash, compact};

use super::{
    shards::Shards,
    swarms::{Announcement, Peers},
    udp::seconds,
};
use crate::message::Event;

/// Longest head of a request, in bytes. A scrape of [`crate::http::MAX_SCRAPE_HTTP`] torrents has 4 KiB.
pub const MAX_HEAD: usize = 8 * 1024;

/// Answers to one call stop here, in bytes, so that a client that asks much and reads nothing fills no memory.
const ENOUGH: usize = 16 * 1024;

/// Torrents in one scrape at most.
const MAX_SCRAPE: usize = 100;

/// Answers the requests of any number of connections, one after the other. Holds buffers, so that an announce allocates nothing.
#[derive(Debug, Default)]
pub struct HttpTracker {
    peers: Peers,
    body: Vec<u8>,
}

/// What has become of a connection's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpAnswer {
    /// Bytes that are done with. If not 0, call again with the rest when the answers are written; else more has to come first.
    pub consumed: usize,
    /// Requests answered.
    pub answered: usize,
    /// Close the connection when the answers are written.
    pub close: bool,
}

impl HttpTracker {
    /// Answers complete requests at the start of `input` into `out`: all, or as many as make about 16 KiB.
    pub fn handle_bytes(
        &mut self,
        now: Instant,
        from: SocketAddr,
        input: &[u8],
        shards: &Shards,
        out: &mut Vec<u8>,
    ) -> HttpAnswer {
        let mut answer = HttpAnswer::default();
        let enough = out.len().saturating_add(ENOUGH);
        while !answer.close && out.len() < enough {
            let rest = input.get(answer.consumed..).unwrap_or_default();
            let Some(length) = head_length(rest) else {
                if rest.len() > MAX_HEAD {
                    status(431, "Request Header Fields Too Large", out);
                    answer.close = true;
                }
                break;
            };
            let head = rest.get(..length).unwrap_or_default();
            answer.consumed = answer.consumed.saturating_add(length);
            answer.answered = answer.answered.saturating_add(1);
            if length > MAX_HEAD {
                status(431, "Request Header Fields Too Large", out);
                answer.close = true;
            } else {
                answer.close = self.respond(now, from, head, shards, out);
            }
        }
        answer
    }

    /// Answers one request. Is it the last of its connection?
    fn respond(&mut self, now: Instant, from: SocketAddr, head: &[u8], shards: &Shards, out: &mut Vec<u8>) -> bool {
        let Some(request) = Head::parse(head) else {
            status(400, "Bad Request", out);
            return true;
        };
        if request.method != b"GET" {
            status(405, "Method Not Allowed", out);
            return true;
        }
        if request.has_body {
            status(413, "Content Too Large", out);
            return true;
        }
        let mut parts = request.target.splitn(2, |&byte| byte == b'?');
        let (path, query) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        self.body.clear();
        let last = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        if last.starts_with(b"announce") {
            self.announce(now, from, query, shards);
        } else if last.starts_with(b"scrape") {
            self.scrape(query, shards);
        } else {
            status(404, "Not Found", out);
            return true;
        }
        let connection = match (request.close, request.old) {
            (true, _) => "Connection: close\r\n",
            (false, true) => "Connection: keep-alive\r\n",
            (false, false) => "",
        };
        let mut head = Text(out);
        let _ = write!(
            head,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{connection}Content-Length: {}\r\n\r\n",
            self.body.len()
        );
        out.extend_from_slice(&self.body);
        request.close
    }

    fn announce(&mut self, now: Instant, from: SocketAddr, query: &[u8], shards: &Shards) {
        let ip = from.ip().to_canonical();
        let announce = match Query::parse(query) {
            Ok(announce) => announce,
            Err(reason) => return self.fail(reason),
        };
        let announcement = Announcement {
            event: announce.event,
            num_want: announce.num_want,
            ..Announcement::new(announce.info_hash, SocketAddr::new(ip, announce.port), announce.left)
        };
        self.peers.clear();
        let answer = shards.of(&announce.info_hash).announce(now, &announcement, &mut self.peers);
        let Ok(counts) = answer else { return self.fail("the tracker is full") };
        let body = &mut self.body;
        let config = shards.config();
        let mut text = Text(body);
        let _ = write!(text, "d8:completei{}e10:downloadedi{}e11:external ip", counts.seeders, counts.downloaded);
        match ip {
            IpAddr::V4(ip) => string(&ip.octets(), body),
            IpAddr::V6(ip) => string(&ip.octets(), body),
        }
        let (interval, min_interval) = (seconds(config.interval), seconds(config.min_interval));
        let leechers = counts.leechers;
        let _ =
            write!(Text(body), "10:incompletei{leechers}e8:intervali{interval}e12:min intervali{min_interval}e5:peers");
        if announce.compact {
            string(&self.peers.v4, body);
            if !self.peers.v6.is_empty() || ip.is_ipv6() {
                body.extend_from_slice(b"6:peers6");
                string(&self.peers.v6, body);
            }
        } else {
            body.push(b'l');
            let v4 = compact::decode_v4(&self.peers.v4).map(SocketAddr::V4);
            for peer in v4.chain(compact::decode_v6(&self.peers.v6).map(SocketAddr::V6)) {
                body.extend_from_slice(b"d2:ip");
                string(peer.ip().to_string().as_bytes(), body);
                let _ = write!(Text(body), "4:porti{}ee", peer.port());
            }
            body.push(b'e');
        }
        body.push(b'e');
    }

    fn scrape(&mut self, query: &[u8], shards: &Shards) {
        let mut hashes = Vec::new();
        for (name, value) in pairs(query) {
            if name == b"info_hash"
                && let Some(hash) = decode_array(value)
                && hashes.len() < MAX_SCRAPE
            {
                hashes.push(InfoHash::new(hash));
            }
        }
        if hashes.is_empty() {
            return self.fail("a scrape needs info_hash");
        }
        // Keys of a dictionary are sorted and unique.
        hashes.sort_unstable();
        hashes.dedup();
        self.body.extend_from_slice(b"d5:filesd");
        for hash in hashes {
            if let Some(entry) = shards.of(&hash).scrape(&hash) {
                string(hash.as_bytes(), &mut self.body);
                let downloaders = entry.downloaders.unwrap_or(entry.leechers);
                let _ = write!(
                    Text(&mut self.body),
                    "d8:completei{}e10:downloadedi{}e11:downloadersi{downloaders}e10:incompletei{}ee",
                    entry.seeders,
                    entry.downloaded,
                    entry.leechers
                );
            }
        }
        self.body.extend_from_slice(b"ee");
    }

    fn fail(&mut self, reason: &str) {
        self.body.extend_from_slice(b"d14:failure reason");
        string(reason.as_bytes(), &mut self.body);
        self.body.push(b'e');
    }
}

/// The parameters of an announce that a tracker needs.
struct Query {
    info_hash: InfoHash,
    port: u16,
    left: u64,
    event: Option<Event>,
    num_want: Option<usize>,
    compact: bool,
}

impl Query {
    fn parse(query: &[u8]) -> Result<Self, &'static str> {
        let (mut info_hash, mut port) = (None, None);
        // A client that does not say what is left is no seed.
        let (mut left, mut event, mut num_want, mut compact) = (1, None, None, true);
        for (name, value) in pairs(query) {
            match name {
                b"info_hash" => info_hash = Some(decode_array(value).ok_or("info_hash must have 20 bytes")?),
                b"port" => port = Some(number(value).and_then(|port| u16::try_from(port).ok()).ok_or("bad port")?),
                b"left" => left = number(value).unwrap_or(1),
                b"numwant" => num_want = number(value).map(|want| usize::try_from(want).unwrap_or(usize::MAX)),
                b"compact" => compact = value != b"0",
                b"event" => {
                    let events = [Event::Completed, Event::Paused, Event::Started, Event::Stopped];
                    event = events.into_iter().find(|event| event.as_str().as_bytes() == value);
                }
                _ => {}
            }
        }
        Ok(Self {
            info_hash: info_hash.ok_or("an announce needs info_hash")?.into(),
            port: port.ok_or("an announce needs port")?,
            left,
            event,
            num_want,
            compact,
        })
    }
}

/// The lines of a request before its body.
struct Head<'a> {
    method: &'a [u8],
    target: &'a [u8],
    /// HTTP/1.0.
    old: bool,
    close: bool,
    has_body: bool,
}

impl<'a> Head<'a> {
    fn parse(head: &'a [u8]) -> Option<Self> {
        let mut lines = head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut words = lines.next()?.split(|&byte| byte == b' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() || !target.starts_with(b"/") {
            return None;
        }
        let old = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return None,
        };
        let (mut close, mut has_body) = (old, false);
        for line in lines.take_while(|line| !line.is_empty()) {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let (name, value) = line.split_at_checked(colon)?;
            let value = value.get(1..)?.trim_ascii();
            if name.eq_ignore_ascii_case(b"connection") {
                let mut tokens = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
                if tokens.clone().any(|token| token.eq_ignore_ascii_case(b"close")) {
                    close = true;
                } else if tokens.any(|token| token.eq_ignore_ascii_case(b"keep-alive")) {
                    close = false;
                }
            } else if name.eq_ignore_ascii_case(b"content-length") {
                has_body |= value != b"0";
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                has_body = true;
            }
        }
        Some(Self { method, target, old, close, has_body })
    }
}

/// Bytes up to and with the empty line.
fn head_length(input: &[u8]) -> Option<usize> {
    let mut start = 0usize;
    loop {
        let line = input.get(start..)?.iter().position(|&byte| byte == b'\n')?;
        let end = start.checked_add(line)?;
        let next = end.checked_add(1)?;
        if matches!(input.get(start..end)?, [] | [b'\r']) {
            return Some(next);
        }
        start = next;
    }
}

fn status(code: u16, reason: &str, out: &mut Vec<u8>) {
    let _ = write!(Text(out), "HTTP/1.1 {code} {reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query.split(|&byte| byte == b'&').filter_map(|pair| {
        let equals = pair.iter().position(|&byte| byte == b'=')?;
        Some((pair.get(..equals)?, pair.get(equals.checked_add(1)?..)?))
    })
}

/// Exactly `N` bytes, percent-decoded. `+` is a plus sign: announces are not forms.
fn decode_array<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    let mut decoded = [0; N];
    let mut rest = value;
    for byte in &mut decoded {
        (*byte, rest) = match rest {
            [b'%', high, low, tail @ ..] => (nibble(*high)? << 4 | nibble(*low)?, tail),
            [b'%', ..] | [] => return None,
            [other, tail @ ..] => (*other, tail),
        };
    }
    rest.is_empty().then_some(decoded)
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// A bencoded string.
fn string(bytes: &[u8], out: &mut Vec<u8>) {
    let _ = write!(Text(out), "{}:", bytes.len());
    out.extend_from_slice(bytes);
}

/// Text into bytes; cannot fail.
struct Text<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
