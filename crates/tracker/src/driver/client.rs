//! One call per question, whatever the scheme.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use hyper::StatusCode;
use tokio::time::{sleep, timeout};
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
    trust::Trust,
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
    inner: Arc<Inner>,
}

struct Inner {
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
        Self { inner: Arc::new(Inner { dialer, http, udp }) }
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
        let answer = self.inner.http.get(url, &http::announce_target(url, request)?).await?;
        check_status(&answer)?;
        Ok(AnnounceResponse { scope: answer.scope, ..http::decode_announce(&answer.body)? })
    }

    /// Asks one tracker, named by its announce URL, about any number of torrents. The answer is in the order of the question;
    /// `None` is a torrent that the tracker does not know.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn scrape(&self, url: &TrackerUrl, info_hashes: &[InfoHash]) -> Result<Vec<Option<ScrapeEntry>>, Error> {
        let url = url.scrape()?;
        if url.scheme() == Scheme::Udp {
            return self.scrape_udp(&url, info_hashes).await;
        }
        let mut entries = Vec::new();
        for part in info_hashes.chunks(MAX_SCRAPE_HTTP) {
            let answer = self.inner.http.get(&url, &http::scrape_target(&url, part)).await?;
            check_status(&answer)?;
            entries.extend(http::decode_scrape(&answer.body, part)?);
        }
        Ok(entries)
    }

    /// To the first address of each family at once; the peers of both are joined. BEP 7 § "Tracker Hostname Resolution".
    async fn announce_udp(&self, url: &TrackerUrl, question: Question) -> Result<AnnounceResponse, Error> {
        let (first, other) = self.resolve_udp(url).await?;
        let ask = async |to| match self.inner.udp.ask(to, question.clone()).await? {
            Answer::Announce(response) => Ok(response),
            Answer::Scrape(_) => Err(DecodeError::UnexpectedAction(2).into()),
        };
        let Some(other) = other else { return ask(first).await };
        let (mut first, mut other) = (Box::pin(ask(first)), Box::pin(ask(other)));
        tokio::select! {
            answer = &mut first => join(answer, other).await,
            answer = &mut other => join(answer, first).await,
        }
    }

    /// At its first address; if that is silent or knows nothing, at one of the other family.
    async fn scrape_udp(&self, url: &TrackerUrl, info_hashes: &[InfoHash]) -> Result<Vec<Option<ScrapeEntry>>, Error> {
        let (first, other) = self.resolve_udp(url).await?;
        let ask = async |to| {
            let mut entries = Vec::new();
            for part in info_hashes.chunks(MAX_SCRAPE) {
                match self.inner.udp.ask(to, Question::Scrape(part.to_vec())).await? {
                    Answer::Scrape(answer) if answer.len() == part.len() => {
                        entries.extend(answer.into_iter().map(Some));
                    }
                    _ => return Err(DecodeError::Short.into()),
                }
            }
            Ok(entries)
        };
        let Some(other) = other else { return ask(first).await };
        let late = async {
            sleep(OTHER_FAMILY).await;
            ask(other).await
        };
        let (mut first, mut other) = (Box::pin(ask(first)), Box::pin(late));
        tokio::select! {
            answer = &mut first => either(answer, other).await,
            answer = &mut other => either(answer, first).await,
        }
    }

    /// The first address, and the first of the other family.
    async fn resolve_udp(&self, url: &TrackerUrl) -> Result<(SocketAddr, Option<SocketAddr>), Error> {
        if self.inner.dialer.config.proxy.is_some() {
            return Err(Refused::ProxyUdp.into());
        }
        let addresses = self.inner.dialer.resolver.resolve(url).await?;
        let &first = addresses.first().ok_or(Error::Unresolved)?;
        Ok((first, addresses.into_iter().find(|other| other.is_ipv4() != first.is_ipv4())))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.inner.dialer.config).finish_non_exhaustive()
    }
}

/// One family has answered: the other gets a moment, or all its time if the first had nothing to say.
async fn join(
    first: Result<AnnounceResponse, Error>,
    second: impl Future<Output = Result<AnnounceResponse, Error>>,
) -> Result<AnnounceResponse, Error> {
    let Ok(mut response) = first else { return either(first, second).await };
    if let Ok(Ok(other)) = timeout(OTHER_FAMILY, second).await {
        response.peers.extend(other.peers);
        // What the nearer of the two may name, the farther one may not.
        response.scope = response.scope.max(other.scope);
    }
    Ok(response)
}

/// One family has answered: the other counts if the first had nothing to say.
async fn either<T>(first: Result<T, Error>, second: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match first {
        Err(error) => second.await.map_err(|_| error),
        answer => answer,
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
