//! One call per question, whatever the scheme.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::StatusCode;
use tokio::time::timeout;
use torrent_types::InfoHash;

use super::{
    config::Config,
    dial::Dialer,
    http::{self as transport, HttpClient},
    udp::{Question, UdpHandle},
};
use crate::{
    error::{DecodeError, Error, Refused},
    http::{self, MAX_SCRAPE_HTTP},
    message::{AnnounceRequest, AnnounceResponse, ScrapeEntry},
    reach::Trust,
    udp::{Answer, MAX_SCRAPE},
    url::{Scheme, TrackerUrl},
};

/// Announces once to the tracker at `url`, which the user has chosen ([`Trust::User`]).
///
/// For more than a few announces keep a [`Client`]: it keeps connections.
///
/// # Errors
/// See [`Error`].
pub async fn announce(url: &str, request: &AnnounceRequest) -> Result<AnnounceResponse, Error> {
    let url = TrackerUrl::parse(url)?.trust(Trust::User);
    Client::new(Config::default()).announce(&url, request).await
}

/// Asks the tracker at `url` (its announce URL), which the user has chosen, about torrents. `None` is one that it does not know.
///
/// # Errors
/// See [`Error`].
pub async fn scrape(url: &str, info_hashes: &[InfoHash]) -> Result<Vec<Option<ScrapeEntry>>, Error> {
    let url = TrackerUrl::parse(url)?.trust(Trust::User);
    Client::new(Config::default()).scrape(&url, info_hashes).await
}

/// Speaks to any number of trackers for any number of torrents. Cheap to clone; all clones share connections and one UDP socket
/// per address family. Use it inside a tokio runtime.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    dialer: Arc<Dialer>,
    http: HttpClient,
    udp: UdpHandle,
}

impl Client {
    /// A client without connections.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let dialer = Arc::new(Dialer::new(config));
        let (http, udp) = (HttpClient::new(Arc::clone(&dialer)), UdpHandle::new(Arc::clone(&dialer)));
        Self { shared: Arc::new(Shared { dialer, http, udp }) }
    }

    /// Announces to one tracker.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn announce(&self, url: &TrackerUrl, request: &AnnounceRequest) -> Result<AnnounceResponse, Error> {
        if url.scheme() == Scheme::Udp {
            let question = Question::Announce { request: request.clone(), url_data: url.url_data().into() };
            return self.announce_udp(url, question).await;
        }
        let answer = self.shared.http.get(url, &http::announce_target(url, request)?).await?;
        check_status(&answer)?;
        http::decode_announce(&answer.body)
    }

    /// Asks one tracker, named by its announce URL, about any number of torrents. The answer is in the order of the question;
    /// `None` is a torrent that the tracker does not know.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn scrape(&self, url: &TrackerUrl, info_hashes: &[InfoHash]) -> Result<Vec<Option<ScrapeEntry>>, Error> {
        let url = url.scrape()?;
        let mut entries = Vec::new();
        if url.scheme() == Scheme::Udp {
            let to = *self
                .resolve_udp(&url)
                .await?
                .first()
                .ok_or(io::ErrorKind::AddrNotAvailable)
                .map_err(io::Error::from)?;
            for part in info_hashes.chunks(MAX_SCRAPE) {
                match self.shared.udp.ask(to, Question::Scrape(part.to_vec())).await? {
                    Answer::Scrape(answer) if answer.len() == part.len() => {
                        entries.extend(answer.into_iter().map(Some))
                    }
                    _ => return Err(DecodeError::Short.into()),
                }
            }
        } else {
            for part in info_hashes.chunks(MAX_SCRAPE_HTTP) {
                let answer = self.shared.http.get(&url, &http::scrape_target(&url, part)).await?;
                check_status(&answer)?;
                entries.extend(http::decode_scrape(&answer.body, part)?);
            }
        }
        Ok(entries)
    }

    /// To the first address of each family at once; the peers of both are joined. BEP 7 § "Tracker Hostname Resolution".
    async fn announce_udp(&self, url: &TrackerUrl, question: Question) -> Result<AnnounceResponse, Error> {
        let addresses = self.resolve_udp(url).await?;
        let ask = async |to: Option<&SocketAddr>| match to {
            None => Err(io::Error::from(io::ErrorKind::AddrNotAvailable).into()),
            Some(&to) => match self.shared.udp.ask(to, question.clone()).await? {
                Answer::Announce(response) => Ok(response),
                Answer::Scrape(_) => Err(DecodeError::UnexpectedAction(2).into()),
            },
        };
        let v4 = addresses.iter().find(|address| address.is_ipv4());
        let v6 = addresses.iter().find(|address| address.is_ipv6());
        if v4.is_none() || v6.is_none() {
            return ask(v4.or(v6)).await;
        }
        let (mut v4, mut v6) = (Box::pin(ask(v4)), Box::pin(ask(v6)));
        tokio::select! {
            answer = &mut v4 => join(answer, v6).await,
            answer = &mut v6 => join(answer, v4).await,
        }
    }

    async fn resolve_udp(&self, url: &TrackerUrl) -> Result<Vec<SocketAddr>, Error> {
        if self.shared.dialer.config.proxy.is_some() {
            return Err(Refused::ProxyUdp.into());
        }
        self.shared.dialer.resolver.resolve(url).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.shared.dialer.config).finish_non_exhaustive()
    }
}

/// One family has answered: the other gets a moment, or all its time if the first had nothing to say.
async fn join(
    first: Result<AnnounceResponse, Error>,
    second: impl Future<Output = Result<AnnounceResponse, Error>>,
) -> Result<AnnounceResponse, Error> {
    match first {
        Err(error) => second.await.map_err(|_| error),
        Ok(mut response) => {
            if let Ok(Ok(other)) = timeout(OTHER_FAMILY, second).await {
                response.peers.extend(other.peers);
            }
            Ok(response)
        }
    }
}

/// A tracker's own words count more than the status they came with.
fn check_status(answer: &transport::Answer) -> Result<(), Error> {
    if answer.status == StatusCode::OK {
        return Ok(());
    }
    Err(http::decode_failure(&answer.body).map_or_else(|| Error::Status(answer.status.as_u16()), Into::into))
}

const OTHER_FAMILY: Duration = Duration::from_secs(1);
