//! From a magnet link to a torrent: peers from its trackers and from the link are asked for the metadata, until one has it.
//! Spec: BEP 9. In: a link. Out: a [`Metainfo`]. Never: content.

use std::{
    collections::{BTreeSet, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{sync::Semaphore, task::JoinSet};
use torrent_metainfo::{Info, Magnet, Metainfo, PieceLayers};
use torrent_tracker::{AnnounceRequest, AnnounceResponse, MAX_TRACKERS, Retry, TrackerUrl, Trust};
use torrent_wire::{FetchError, FetchOptions, MetadataFault, MetadataHash, fetch_metadata};

use crate::{Client, Error, clock};

/// Peers asked at a time.
const MAX_ASKED: usize = 20;
/// Metadata up to this size, in bytes, is fetched from all of those at once. Hardly any torrent has more.
const USUAL_SIZE: u32 = 4 * 1024 * 1024;
/// Larger metadata, up to what the wire allows, is fetched from so many: who asks twenty liars shall not pay for twenty lies.
const MAX_LARGE: usize = 2;
/// Peers of trackers that are remembered, and asked in every round.
const MAX_TOLD: usize = 500;
/// Between two rounds of attempts.
const ROUND: Duration = Duration::from_secs(15);
/// Between two announces to one tracker, if it does not want a longer pause. No shorter one is believed, nor one of more than a day.
const MIN_INTERVAL: Duration = Duration::from_secs(60);
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// A tracker of the link, and from when on it may be asked again.
struct Tracker {
    url: TrackerUrl,
    due: Instant,
}

/// Peers to ask.
struct Known {
    /// By the user and the link.
    named: Vec<SocketAddr>,
    /// By trackers, the newest first.
    told: VecDeque<SocketAddr>,
}

impl Known {
    fn add(&mut self, peer: SocketAddr) {
        self.told.retain(|known| *known != peer);
        self.told.push_front(peer);
        self.told.truncate(MAX_TOLD);
    }
}

enum Found {
    Peers { tracker: usize, pause: Duration, peers: Vec<SocketAddr> },
    Metadata(Box<Metainfo>),
    Nothing,
}

/// The addresses of the peers that a magnet link names (`x.pe`). Names are looked up; one that nobody knows is a peer fewer.
pub async fn peers_of(magnet: &Magnet) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for peer in &magnet.peers {
        addresses.extend(tokio::net::lookup_host((peer.host(), peer.port())).await.into_iter().flatten());
    }
    addresses
}

impl Client {
    /// Fetches the metadata of a magnet link from its peers. It goes on until it has them: put a deadline around it.
    /// `peers` are asked first, with those that the link itself names: give [`peers_of`] it to the torrent, too.
    ///
    /// # Errors
    /// If the metadata is right by its hash and no torrent all the same.
    pub async fn resolve(&self, magnet: &Magnet, peers: &[SocketAddr]) -> Result<Metainfo, Error> {
        let mut named: Vec<_> = peers.to_vec();
        named.extend(peers_of(magnet).await);
        let mut known = Known { named, told: VecDeque::new() };
        let options =
            FetchOptions::default().encryption(self.core.config.encryption).peer_id(self.core.make_peer_id()?);
        let request = AnnounceRequest::new(magnet.info_hashes.short(), self.core.make_peer_id()?, self.core.port);
        let urls = magnet.trackers.iter().filter_map(|url| Some(TrackerUrl::parse(url).ok()?.trust(Trust::Torrent)));
        let urls: BTreeSet<_> = urls.take(MAX_TRACKERS).collect();
        let mut trackers: Vec<_> = urls.into_iter().map(|url| Tracker { url, due: clock::now() }).collect();
        let hash = magnet.info_hashes.v1().map(MetadataHash::from);
        let hash = hash.or_else(|| magnet.info_hashes.v2().map(MetadataHash::from)).ok_or(Error::V2Only)?;
        loop {
            let round = self.round(magnet, hash, &options, &request, &mut trackers, &mut known);
            if let Ok(found) = tokio::time::timeout(ROUND.saturating_mul(4), round).await
                && let Some(metainfo) = found?
            {
                return Ok(metainfo);
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Asks every tracker that may be asked, and every peer once; remembers those that trackers name. `None`: nobody has it.
    async fn round(
        &self,
        magnet: &Magnet,
        hash: MetadataHash,
        options: &FetchOptions,
        request: &AnnounceRequest,
        trackers: &mut [Tracker],
        known: &mut Known,
    ) -> Result<Option<Metainfo>, Error> {
        let (mut work, large) = (JoinSet::new(), Arc::new(Semaphore::new(MAX_LARGE)));
        let now = clock::now();
        for (tracker, asked) in trackers.iter_mut().enumerate().filter(|(_, tracker)| tracker.due <= now) {
            asked.due = now + MIN_INTERVAL;
            let (client, url, request) = (self.core.trackers.clone(), asked.url.clone(), request.clone());
            work.spawn(async move {
                let answer = client.announce(&url, &request).await;
                tracing::debug!(%url, ok = answer.is_ok(), "asked for peers");
                let pause = pause_after(&answer);
                Ok(Found::Peers { tracker, pause, peers: answer.unwrap_or_default().peers })
            });
        }
        let mut seen = BTreeSet::new();
        let peers = known.named.iter().chain(&known.told).copied();
        let mut waiting: VecDeque<_> = peers.filter(|peer| seen.insert(*peer)).collect();
        let mut asked = 0;
        loop {
            while asked < MAX_ASKED
                && let Some(peer) = waiting.pop_front()
            {
                asked += 1;
                let (magnet, options, large) = (magnet.clone(), options.clone(), Arc::clone(&large));
                work.spawn(async move {
                    match fetch(peer, hash, options, &large).await {
                        Ok(info) => torrent_of(&magnet, info).map(|metainfo| Found::Metadata(Box::new(metainfo))),
                        Err(error) => {
                            tracing::debug!(%peer, %error, "no metadata");
                            Ok(Found::Nothing)
                        }
                    }
                });
            }
            match work.join_next().await {
                Some(Ok(Ok(Found::Metadata(metainfo)))) => return Ok(Some(*metainfo)),
                Some(Ok(Ok(Found::Peers { tracker, pause, peers }))) => {
                    if let Some(tracker) = trackers.get_mut(tracker) {
                        tracker.due = tracker.due.max(clock::now() + pause);
                    }
                    for peer in peers {
                        known.add(peer);
                        if waiting.len() < MAX_TOLD && seen.insert(peer) {
                            waiting.push_back(peer);
                        }
                    }
                }
                Some(Ok(Ok(Found::Nothing))) => asked = asked.saturating_sub(1),
                Some(Ok(Err(error))) => return Err(error),
                Some(Err(_)) => {}
                None => return Ok(None),
            }
        }
    }
}

async fn fetch(
    peer: SocketAddr,
    hash: MetadataHash,
    options: FetchOptions,
    large: &Semaphore,
) -> Result<Bytes, FetchError> {
    match fetch_metadata(peer, hash, &options.clone().max_size(USUAL_SIZE)).await {
        Err(FetchError::Metadata(MetadataFault::ImpossibleSize)) => {
            let _turn = large.acquire().await;
            fetch_metadata(peer, hash, &options).await
        }
        outcome => outcome,
    }
}

/// Until the tracker may be asked again: what it says, BEP 31 included, in reason.
fn pause_after(answer: &Result<AnnounceResponse, torrent_tracker::Error>) -> Duration {
    let pause = match answer {
        Ok(answer) => answer.min_interval.unwrap_or_default(),
        Err(error) => match error.retry() {
            Some(Retry::After(pause)) => pause,
            Some(Retry::Never) => MAX_INTERVAL,
            _ => Duration::ZERO,
        },
    };
    pause.clamp(MIN_INTERVAL, MAX_INTERVAL)
}

/// A .torrent file of what peers and the link say.
fn torrent_of(magnet: &Magnet, info: Bytes) -> Result<Metainfo, Error> {
    let info = match Info::from_peers(&magnet.info_hashes, info) {
        Some(info) => info?,
        // Right by one of its hashes, wrong by the other.
        None => return Err(Error::WrongMetadata),
    };
    let trackers: Vec<_> = magnet.trackers.iter().map(|url| vec![url.clone()]).collect();
    let torrent = Metainfo::from_info(&info, &PieceLayers::default())?;
    torrent.edit().trackers(&trackers).web_seeds(&magnet.web_seeds).apply().map_err(|_| Error::WrongMetadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trackers_are_asked_again_when_they_say_so_within_reason() {
        let refused =
            |retry: &[u8]| torrent_tracker::http::decode_announce(&[b"d14:failure reason2:no", retry, b"e"].concat());
        let mut answer = AnnounceResponse::default();
        answer.min_interval = Some(Duration::from_secs(90));
        for (answer, seconds) in [
            (Ok(answer), 90),
            (Ok(AnnounceResponse::default()), 60),
            (Err(torrent_tracker::Error::TimedOut), 60),
            (refused(b""), 60),
            (refused(b"8:retry ini5e"), 300),
            (refused(b"8:retry ini99999999e"), 86400),
            (refused(b"8:retry in5:never"), 86400),
        ] {
            assert_eq!(pause_after(&answer).as_secs(), seconds, "{answer:?}");
        }
    }
}
