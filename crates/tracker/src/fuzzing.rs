//! Bodies of the fuzz targets. The corpora in `fuzz/corpus/tracker_*` are replayed by the tests below.
#![expect(clippy::unwrap_used, reason = "a broken property is what a fuzzer looks for")]
#![expect(clippy::disallowed_methods, reason = "a beginning for virtual time")]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "not reachable from a network")]

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    AnnounceRequest, AnnounceResponse, AnnounceTo, Content, Due, Error, Event, Retry, Schedule, Tiers, TrackerState,
    TrackerUrl, Trust, http,
    server::{HttpTracker, ServerConfig, Shards, UdpTracker},
    udp::{self, UdpClient},
};

/// Bodies of HTTP trackers: never a panic, never more peers than allowed, never port 0.
pub fn http_body(data: &[u8]) {
    if let Ok(answer) = http::decode_announce(data) {
        assert!(answer.peers.len() <= http::MAX_PEERS && answer.peers.iter().all(|peer| peer.port() != 0));
        assert!(Instant::now().checked_add(answer.interval).is_some());
    }
    let hashes = [[b'a'; 20].into(), [0xff; 20].into()];
    if let Ok(entries) = http::decode_scrape(data, &hashes) {
        assert_eq!(entries.len(), 2);
    }
    let _ = http::decode_failure(data);
}

/// URLs in torrents: what is read prints and reads the same, and makes a request line of one line.
pub fn url(data: &[u8]) {
    let (text, location) = data.split_at(data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len()));
    let (Ok(text), Ok(location)) = (std::str::from_utf8(text), std::str::from_utf8(location)) else { return };
    let Ok(url) = TrackerUrl::parse(text) else { return };
    assert_eq!(TrackerUrl::parse(&url.to_string()), Ok(url.clone()));
    assert_ne!(url.port(), 0);
    let request = AnnounceRequest::new([0xfe; 20].into(), [b'\r'; 20].into(), 1);
    for url in [Some(url.clone()), url.scrape().ok(), url.join(location.trim()).ok()].into_iter().flatten() {
        let url = url.trust(Trust::User);
        for target in [http::announce_target(&url, &request).unwrap(), http::scrape_target(&url, &[[b'\n'; 20].into()])]
        {
            assert!(target.starts_with(url.target()) && target.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}

/// A UDP client between honest and forged packets. The data is a list of operations.
pub fn udp_client(data: &[u8]) {
    let mut now = Instant::now();
    let mut core = UdpClient::new([7; 32]);
    let tracker = SocketAddr::from(([192, 0, 2, 1], 1337));
    let mut transactions: Vec<[u8; 4]> = Vec::new();
    let (mut asked, mut settled) = (0, 0);
    let mut rest = data;
    while let [op, length, tail @ ..] = rest {
        let (payload, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        match op % 6 {
            0 => {
                let request = AnnounceRequest::new([*length; 20].into(), [2; 20].into(), 1);
                core.announce(now, tracker, request, "/x").unwrap();
                asked += 1;
            }
            1 => {
                core.scrape(now, tracker, &vec![[1; 20].into(); usize::from(*length)]).unwrap();
                asked += 1;
            }
            2 => {
                now += Duration::from_secs(u64::from(*length) * 8);
                core.handle_timeout(now);
            }
            // As it is, or with a transaction that is waited for.
            3 => core.handle_datagram(now, tracker, payload),
            op => {
                let mut payload = payload.to_vec();
                if let Some(place) = payload.get_mut(4..8)
                    && let Some(transaction) = transactions.get(usize::from(*length) % transactions.len().max(1))
                {
                    place.copy_from_slice(transaction);
                }
                let from = if op == 4 { tracker } else { SocketAddr::from(([192, 0, 2, 2], 1337)) };
                core.handle_datagram(now, from, &payload);
            }
        }
        while let Some(transmit) = core.poll_transmit() {
            transactions.push(<[u8; 4]>::try_from(&transmit.payload[12..16]).unwrap());
            udp::decode_request(&transmit.payload).unwrap();
        }
        settled += std::iter::from_fn(|| core.poll_event()).count();
        assert!(settled <= asked && core.is_idle() == (settled == asked));
        assert!(core.is_idle() || core.poll_timeout().is_some(), "somebody waits for nothing");
    }
}

/// The trackers of a torrent, whatever they answer: a running torrent has an announce under way or a deadline, a stopped one is
/// done in time, no tracker is asked twice at once, and each is told `stopped` at most once. The data is a list of operations.
pub fn tiers(data: &[u8]) {
    let start = Instant::now();
    let mut now = start;
    let urls = [vec!["http://a/announce", "http://b/announce"], vec!["udp://c:1"]];
    let (seed, data) = data.split_first().unwrap_or((&0, &[]));
    let to = [AnnounceTo::FirstAnswer, AnnounceTo::AllTiers, AnnounceTo::AllTrackers][usize::from(seed % 3)];
    let mut tiers = Tiers::new(urls, Trust::Torrent, to, Schedule::default(), (*seed).into());
    tiers.handle_start(now, if seed & 0x80 == 0 { Content::Missing } else { Content::Complete });
    let (mut asked, mut stopped_at, mut told): (Vec<Due>, Option<Instant>, usize) = (Vec::new(), None, 0);
    for [op, argument] in data.as_chunks().0 {
        let pause = Duration::from_secs(u64::from(*argument) * u64::from(*argument));
        let answer =
            AnnounceResponse { interval: pause, seeders: Some(1), leechers: None, ..AnnounceResponse::default() };
        match op % 10 {
            0 | 1 if !asked.is_empty() => {
                tiers.handle_response(now, asked.remove(usize::from(*argument) % asked.len()).ticket, &answer);
            }
            2 | 3 if !asked.is_empty() => {
                let due = asked.remove(usize::from(*argument) % asked.len());
                let never = crate::error::Failure::new(b"no", Some(Retry::Never));
                let error = if *argument == 255 { Error::Failure(never) } else { Error::TimedOut };
                tiers.handle_failure(now, due.ticket, &error);
            }
            4 => tiers.handle_complete(now),
            5 => tiers.handle_need_peers(now),
            6 if *argument > 200 => {
                tiers.handle_stop(now);
                stopped_at.get_or_insert(now);
            }
            7 => tiers.handle_pause(now),
            8 => tiers.handle_resume(now),
            _ => {
                now += pause;
                tiers.handle_timeout(now);
            }
        }
        for due in std::iter::from_fn(|| tiers.poll_announce()) {
            // A farewell may overtake an announce that was never answered.
            asked.retain(|other| other.url != due.url || due.event != Some(Event::Stopped));
            assert!(asked.iter().all(|other| other.url != due.url), "two announces at once");
            told += usize::from(due.event == Some(Event::Stopped));
            asked.push(due);
        }
        while let Some((ticket, _)) = tiers.poll_scrape() {
            tiers.handle_scrape(now, ticket, Ok(None));
        }
        assert!(told <= 3 && (stopped_at.is_some() || told == 0));
        assert!(tiers.poll_timeout().is_none_or(|at| at > now), "a deadline does not move on");
        match stopped_at {
            Some(at) => assert!(tiers.is_stopped() || now < at + Schedule::default().farewell),
            None if tiers.trackers().all(|tracker| tracker.state == TrackerState::Disabled) => {}
            None => assert!(!asked.is_empty() || tiers.poll_timeout().is_some(), "it has fallen silent"),
        }
    }
}

/// A UDP tracker: answers are no longer than they may be.
pub fn udp_server(data: &[u8]) {
    let now = Instant::now();
    let shards = Shards::new(ServerConfig::default(), now, [7; 32]);
    let mut tracker = UdpTracker::default();
    let from = SocketAddr::from(([192, 0, 2, 9], 5));
    let mut out = Vec::new();
    let _ = tracker.handle_datagram(now, from, data, &shards, &mut out);
    assert!(out.len() <= data.len().max(16), "an unverified address is sent more than it sent");
    // And again, verified.
    out.clear();
    let _ = tracker.handle_datagram(now, from, &udp::connect_packet(1), &shards, &mut out);
    let mut data = data.to_vec();
    if let Some(place) = data.get_mut(..8) {
        place.copy_from_slice(&out[8..16]);
        out.clear();
        let _ = tracker.handle_datagram(now, from, &data, &shards, &mut out);
        assert!(out.len() <= 1232);
    }
}

/// An HTTP tracker: requests are answered the same however they are cut, and never with half an answer.
pub fn http_server(data: &[u8]) {
    let now = Instant::now();
    let from = SocketAddr::from(([192, 0, 2, 9], 5));
    let run = |step: usize| {
        let shards = Shards::new(ServerConfig::default(), now, [7; 32]);
        let mut tracker = HttpTracker::default();
        let (mut input, mut out) = (Vec::new(), Vec::new());
        for chunk in data.chunks(step) {
            input.extend_from_slice(chunk);
            loop {
                let answer = tracker.handle_bytes(now, from, &input, &shards, &mut out);
                input.drain(..answer.consumed);
                if answer.close {
                    return out;
                }
                if answer.consumed == 0 {
                    break;
                }
            }
        }
        out
    };
    let whole = run(data.len().max(1));
    assert!(whole.is_empty() || whole.starts_with(b"HTTP/1.1 "));
    // Beyond the limit of a head, how much has come decides when it is refused.
    if data.len() <= crate::server::MAX_HEAD {
        assert_eq!(whole, run(1));
        assert_eq!(whole, run(7));
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    fn replay(name: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        let mut count = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            target(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "{} is empty", folder.display());
    }

    #[test]
    fn corpora_replay() {
        replay("tracker_http_body", super::http_body);
        replay("tracker_http_server", super::http_server);
        replay("tracker_tiers", super::tiers);
        replay("tracker_udp_client", super::udp_client);
        replay("tracker_udp_server", super::udp_server);
        replay("tracker_url", super::url);
    }
}
