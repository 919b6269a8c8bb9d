//! From a magnet link to a torrent: peers from its trackers and from the link are asked for the metadata, until one has it.
//! Spec: BEP 9. In: a link. Out: a [`Metainfo`]. Never: content.

use std::{
    collections::{BTreeSet, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use tokio::task::JoinSet;
use torrent_metainfo::{Info, Magnet, Metainfo, PieceLayers};
use torrent_tracker::{AnnounceRequest, TrackerUrl, Trust};
use torrent_wire::{FetchOptions, MetadataHash, fetch_metadata};

use crate::{Client, Error};

/// Peers asked at a time.
const MAX_ASKED: usize = 20;
/// Peers remembered; others are forgotten, and come again with the next announce.
const MAX_WAITING: usize = 500;
/// Between two rounds of announces and attempts.
const ROUND: Duration = Duration::from_secs(15);

enum Found {
    Peers(Vec<SocketAddr>),
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
        let options =
            FetchOptions::default().encryption(self.core.config.encryption).peer_id(self.core.make_peer_id()?);
        let hash = magnet.info_hashes.v1().map(MetadataHash::from);
        let hash = hash.or_else(|| magnet.info_hashes.v2().map(MetadataHash::from)).ok_or(Error::V2Only)?;
        loop {
            let round = self.round(magnet, hash, &options, &named);
            if let Ok(found) = tokio::time::timeout(ROUND.saturating_mul(4), round).await
                && let Some(metainfo) = found?
            {
                return Ok(metainfo);
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Asks every tracker once, and every peer once. `None`: nobody has it.
    async fn round(
        &self,
        magnet: &Magnet,
        hash: MetadataHash,
        options: &FetchOptions,
        named: &[SocketAddr],
    ) -> Result<Option<Metainfo>, Error> {
        let mut work = JoinSet::new();
        for tracker in &magnet.trackers {
            let Ok(url) = TrackerUrl::parse(tracker) else { continue };
            let url = url.trust(Trust::Torrent);
            let (client, port) = (self.core.trackers.clone(), self.core.port);
            let request = AnnounceRequest::new(magnet.info_hashes.short(), self.core.make_peer_id()?, port);
            work.spawn(async move {
                let answer = client.announce(&url, &request).await;
                tracing::debug!(%url, ok = answer.is_ok(), "asked for peers");
                Ok(answer.map_or(Found::Nothing, |answer| Found::Peers(answer.peers)))
            });
        }
        let mut waiting: VecDeque<_> = named.iter().copied().collect();
        let mut seen: BTreeSet<_> = named.iter().copied().collect();
        let mut asked = 0;
        loop {
            while asked < MAX_ASKED
                && let Some(peer) = waiting.pop_front()
            {
                asked += 1;
                let (magnet, options) = (magnet.clone(), options.clone());
                work.spawn(async move {
                    match fetch_metadata(peer, hash, &options).await {
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
                Some(Ok(Ok(Found::Peers(peers)))) => {
                    let room = MAX_WAITING.saturating_sub(waiting.len());
                    waiting.extend(peers.into_iter().filter(|peer| seen.insert(*peer)).take(room));
                }
                Some(Ok(Ok(Found::Nothing))) => asked = asked.saturating_sub(1),
                Some(Ok(Err(error))) => return Err(error),
                Some(Err(_)) => {}
                None => return Ok(None),
            }
        }
    }
}

/// A .torrent file of what peers and the link say.
fn torrent_of(magnet: &Magnet, info: impl Into<bytes::Bytes>) -> Result<Metainfo, Error> {
    let info = match Info::from_peers(&magnet.info_hashes, info) {
        Some(info) => info?,
        // Right by one of its hashes, wrong by the other.
        None => return Err(Error::WrongMetadata),
    };
    let trackers: Vec<_> = magnet.trackers.iter().map(|url| vec![url.clone()]).collect();
    let torrent = Metainfo::from_info(&info, &PieceLayers::default())?;
    torrent.edit().trackers(&trackers).web_seeds(&magnet.web_seeds).apply().map_err(|_| Error::WrongMetadata)
}
