//! Performs one GET: waits for a turn, reuses or opens a connection, follows redirects, reads a body of limited size.
//! Never: what the body means and which redirects are allowed (see `crate::http`).

use std::{
    collections::HashMap,
    io::{self, Read as _},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout},
};
use torrent_types::Scope;

use super::dial::{Dialed, Dialer};
use crate::{
    error::{DecodeError, Error, Refused, UrlError},
    http::{MAX_BODY, Redirects},
    url::{Scheme, TrackerUrl},
};

pub(super) struct HttpClient {
    dialer: Arc<Dialer>,
    hosts: Mutex<HashMap<Destination, Arc<Host>>>,
    turns: Semaphore,
    /// For connections that are kept open, to all trackers together.
    places: Arc<Semaphore>,
}

/// A body, its status, and how far away the server is that sent it.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) scope: Scope,
    pub(super) body: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Destination {
    scheme: Scheme,
    host: Box<str>,
    port: u16,
}

struct Host {
    turns: Semaphore,
    state: Mutex<HostState>,
}

#[derive(Default)]
struct HostState {
    idle: Vec<Idle>,
    /// A task looks after `idle`.
    is_tended: bool,
    /// When a connection failed or fell silent last, and how: a request that has waited for its turn since before that need not try.
    failed: Option<(Instant, io::ErrorKind)>,
}

struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    ip: Option<IpAddr>,
}

struct Idle {
    connection: Connection,
    until: Instant,
    _place: OwnedSemaphorePermit,
}

impl HttpClient {
    pub(super) fn new(dialer: Arc<Dialer>) -> Self {
        let (turns, places) = (dialer.config.connections, dialer.config.connections);
        Self { dialer, hosts: Mutex::default(), turns: Semaphore::new(turns), places: Arc::new(Semaphore::new(places)) }
    }

    /// Fetches `target` from where `url` points, and from where that redirects to.
    pub(super) async fn get(&self, url: &TrackerUrl, target: &str) -> Result<Answer, Error> {
        let asked = Instant::now();
        let host = self.host(url);
        let _turn_there = host.turns.acquire().await.map_err(|_| Refused::Busy)?;
        let _turn = self.turns.acquire().await.map_err(|_| Refused::Busy)?;
        if let Some((at, kind)) = host.lock().failed
            && asked < at
        {
            return Err(if kind == io::ErrorKind::TimedOut { Error::TimedOut } else { io::Error::from(kind).into() });
        }
        timeout(self.dialer.config.timeout, self.follow(url, target)).await.unwrap_or_else(|_| {
            host.lock().failed = Some((Instant::now(), io::ErrorKind::TimedOut));
            Err(Error::TimedOut)
        })
    }

    async fn follow(&self, url: &TrackerUrl, target: &str) -> Result<Answer, Error> {
        let (mut url, mut target) = (url.clone(), target.to_owned());
        let mut redirects = Redirects::default();
        loop {
            let (response, connection) = self.exchange(&url, &target).await.map_err(|error| match error {
                Error::Refused(refused) => redirects.explain(refused).into(),
                other => other,
            })?;
            redirects.handle_connected(connection.ip);
            if !response.status().is_redirection() {
                let scope = connection.ip.map_or(Scope::Global, Scope::of);
                let answer = read(response, scope).await?;
                self.keep(&self.host(&url), connection);
                return Ok(answer);
            }
            let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            url = redirects.handle_redirect(&url, location)?;
            url.target().clone_into(&mut target);
        }
    }

    /// Sends the request over a kept connection or, if that has died meanwhile, over a new one.
    async fn exchange(&self, url: &TrackerUrl, target: &str) -> Result<(Response<Incoming>, Connection), Error> {
        self.dialer.check(url)?;
        let host = self.host(url);
        let request = self.request(url, target)?;
        if let Some(mut connection) = host.reuse(url)
            && let Ok(response) = connection.sender.send_request(request.clone()).await
        {
            return Ok((response, connection));
        }
        let dialed = self.dialer.dial(url).await.inspect_err(|error| {
            if let Error::Io(error) = error {
                host.lock().failed = Some((Instant::now(), error.kind()));
            }
        })?;
        let mut connection = handshake(dialed).await?;
        let response = connection.sender.send_request(request).await.map_err(network)?;
        Ok((response, connection))
    }

    /// Keeps a connection for the next request, if there is a place for it.
    fn keep(&self, host: &Arc<Host>, connection: Connection) {
        let mut state = host.lock();
        state.failed = None;
        if !connection.sender.is_closed()
            && state.idle.len() < MAX_IDLE
            && let Ok(place) = Arc::clone(&self.places).try_acquire_owned()
        {
            let now = Instant::now();
            state.idle.push(Idle { connection, until: now.checked_add(IDLE).unwrap_or(now), _place: place });
            if !std::mem::replace(&mut state.is_tended, true) {
                tokio::spawn(tend(Arc::downgrade(host)));
            }
        }
    }

    fn request(&self, url: &TrackerUrl, target: &str) -> Result<Request<Empty<Bytes>>, Error> {
        let proxy = self.dialer.absolute_form(url);
        let uri = if proxy.is_some() { format!("http://{}{target}", url.authority()) } else { target.to_owned() };
        let mut request = Request::get(uri)
            .header(header::HOST, url.authority())
            .header(header::USER_AGENT, &self.dialer.config.user_agent)
            .header(header::ACCEPT_ENCODING, "gzip");
        if let Some(authorization) = proxy.and_then(super::Proxy::authorization) {
            request = request.header(header::PROXY_AUTHORIZATION, authorization);
        }
        // `TrackerUrl` lets nothing through that cannot stand in a request line.
        request.body(Empty::new()).map_err(|_| UrlError::Character.into())
    }

    fn host(&self, url: &TrackerUrl) -> Arc<Host> {
        let key = Destination { scheme: url.scheme(), host: url.host().into(), port: url.port() };
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= MANY_HOSTS {
            hosts.retain(|_, host| Arc::strong_count(host) > 1);
        }
        let fresh = || {
            let turns = Semaphore::new(self.dialer.config.connections_per_tracker);
            Arc::new(Host { turns, state: Mutex::default() })
        };
        Arc::clone(hosts.entry(key).or_insert_with(fresh))
    }
}

impl Host {
    fn lock(&self) -> std::sync::MutexGuard<'_, HostState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reuse(&self, url: &TrackerUrl) -> Option<Connection> {
        let mut state = self.lock();
        let now = Instant::now();
        state.idle.retain(|idle| idle.connection.sender.is_ready() && now < idle.until);
        // The URL that it was dialled for may have been trusted with more than this one is.
        let usable = |idle: &Idle| idle.connection.ip.is_none_or(|ip| url.check_address(ip).is_ok());
        let usable = state.idle.iter().rposition(usable)?;
        Some(state.idle.swap_remove(usable).connection)
    }
}

/// Closes a tracker's idle connections in time, because the tracker may never do so.
async fn tend(host: Weak<Host>) {
    loop {
        let next = match host.upgrade() {
            None => return,
            Some(host) => {
                let mut state = host.lock();
                let now = Instant::now();
                state.idle.retain(|idle| now < idle.until && !idle.connection.sender.is_closed());
                let next = state.idle.iter().map(|idle| idle.until).min();
                state.is_tended = next.is_some();
                next
            }
        };
        match next {
            Some(next) => sleep_until(next).await,
            None => return,
        }
    }
}

async fn handshake(dialed: Dialed) -> Result<Connection, Error> {
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_BUFFER)
        .max_headers(MAX_HEADERS)
        .ignore_invalid_headers_in_responses(true)
        .handshake(dialed.stream)
        .await
        .map_err(network)?;
    // Ends when the sender is dropped or the tracker closes.
    tokio::spawn(connection);
    Ok(Connection { sender, ip: dialed.ip })
}

/// The body, decompressed, never more than [`MAX_BODY`] of either form.
async fn read(response: Response<Incoming>, scope: Scope) -> Result<Answer, Error> {
    let (parts, mut incoming) = response.into_parts();
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame.map_err(network)?.into_data() else { continue };
        if data.len() > MAX_BODY.saturating_sub(body.len()) {
            return Err(Refused::BodyTooLarge.into());
        }
        body.extend_from_slice(&data);
    }
    let encoding = parts.headers.get(header::CONTENT_ENCODING).map_or(&b""[..], |value| value.as_bytes());
    let body = match encoding.trim_ascii().to_ascii_lowercase().as_slice() {
        b"" | b"identity" => body,
        b"gzip" | b"x-gzip" => inflate(&body)?,
        _ => return Err(Refused::Encoding.into()),
    };
    Ok(Answer { status: parts.status, scope, body })
}

fn inflate(compressed: &[u8]) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    let limit = u64::try_from(MAX_BODY).unwrap_or(u64::MAX).saturating_add(1);
    let result = flate2::read::MultiGzDecoder::new(compressed).take(limit).read_to_end(&mut body);
    if body.len() > MAX_BODY {
        return Err(Refused::BodyTooLarge.into());
    }
    result.map_err(|_| DecodeError::Compression)?;
    Ok(body)
}

fn network(error: hyper::Error) -> Error {
    let kind = if error.is_parse() || error.is_parse_status() {
        io::ErrorKind::InvalidData
    } else if error.is_incomplete_message() {
        io::ErrorKind::UnexpectedEof
    } else {
        io::ErrorKind::ConnectionAborted
    };
    io::Error::new(kind, error).into()
}

/// Head of an answer, in bytes and in lines.
const MAX_BUFFER: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;

/// Connections to one tracker that are kept open though idle, and for how long.
const MAX_IDLE: usize = 4;
const IDLE: Duration = Duration::from_secs(30);

/// With more trackers than this, those that no request is under way to are forgotten.
const MANY_HOSTS: usize = 1024;
