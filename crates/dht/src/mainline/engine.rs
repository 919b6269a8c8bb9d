//! Calls into the `mainline` crate, none of which may panic through to us.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddrV4},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use ::mainline::{Dht as Node, Id as NodeId, MutableItem, async_dht::GetStream};
use futures_core::Stream;
use torrent_bencode::{Encoder, RawValue, RawValueBuf, Value};
use torrent_types::Scope;

use crate::{
    id::Id,
    item::{PublicKey, Salt, SignedItem},
    krpc::{Signed, code},
};

/// The engine's thread has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

#[derive(Debug)]
pub(crate) struct Engine(Mutex<State>);

struct State {
    node: Option<Node>,
    /// How to start it again; an adopted one is not ours to start.
    bind: Option<(Ipv4Addr, u16)>,
    nodes: Vec<SocketAddrV4>,
    info: Option<Info>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Info {
    pub(crate) id: Id,
    pub(crate) local_addr: SocketAddrV4,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("info", &self.info).field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

/// Polls what may panic.
async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Gone> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(Gone)),
    })
    .await
}

fn node_id(id: Id) -> Result<NodeId, Gone> {
    NodeId::from_bytes(id.as_bytes()).map_err(|_| Gone)
}

async fn build(bind: (Ipv4Addr, u16), bootstrap: Vec<SocketAddrV4>) -> io::Result<Node> {
    let build = move || {
        let mut builder = Node::builder();
        builder.bind_address(bind.0).port(bind.1);
        if bootstrap.is_empty() {
            builder.no_bootstrap();
        } else {
            builder.bootstrap(&bootstrap);
        }
        builder.build()
    };
    // It waits for its thread to bind.
    tokio::task::spawn_blocking(build).await.map_err(io::Error::other)?
}

impl Engine {
    pub(crate) async fn start(bind: (Ipv4Addr, u16), bootstrap: Vec<SocketAddrV4>) -> io::Result<Self> {
        let node = build(bind, bootstrap.clone()).await?;
        Ok(Self(Mutex::new(State { node: Some(node), bind: Some(bind), nodes: bootstrap, info: None })))
    }

    pub(crate) const fn adopt(node: Node) -> Self {
        Self(Mutex::new(State { node: Some(node), bind: None, nodes: Vec::new(), info: None }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node(&self) -> Result<Node, Gone> {
        self.lock().node.clone().ok_or(Gone)
    }

    pub(crate) fn info(&self) -> Option<Info> {
        self.lock().info
    }

    pub(crate) fn last_nodes(&self) -> Vec<SocketAddrV4> {
        self.lock().nodes.clone()
    }

    /// How near an address may be that it names.
    pub(crate) fn scope(&self) -> Scope {
        super::nearest(&self.lock().nodes)
    }

    /// Learns its id, its address and its nodes.
    pub(crate) async fn look(&self) {
        let Ok(node) = self.node() else { return };
        let Ok(info) = caught(async move { node.as_async().info().await }).await else { return };
        self.lock().info = Some(Info { id: Id::new(*info.id().as_bytes()), local_addr: info.local_addr() });
        drop(self.nodes().await);
    }

    /// The nodes that it knows.
    pub(crate) async fn nodes(&self) -> Result<Vec<SocketAddrV4>, Gone> {
        let node = self.node()?;
        let known = caught(async move { node.as_async().to_bootstrap().await }).await?;
        let nodes: Vec<SocketAddrV4> = known.iter().filter_map(|node| node.parse().ok()).collect();
        if !nodes.is_empty() {
            self.lock().nodes = nodes.iter().copied().take(super::MAX_BOOTSTRAP).collect();
        }
        Ok(nodes)
    }

    /// Starts it anew with the nodes that it knew last.
    pub(crate) async fn restart(&self) {
        let (bind, nodes) = {
            let mut state = self.lock();
            state.node = None;
            (state.bind, state.nodes.clone())
        };
        let Some((ip, _)) = bind else { return };
        tracing::warn!("the mainline engine has ended unexpectedly, and is started anew");
        match build((ip, 0), nodes).await {
            Ok(node) => self.lock().node = Some(node),
            Err(error) => tracing::error!(%error, "cannot start the mainline engine"),
        }
        self.look().await;
    }

    pub(crate) fn peers(&self, target: Id) -> Result<Batches, Gone> {
        let (node, id) = (self.node()?, node_id(target)?);
        catch_unwind(AssertUnwindSafe(|| node.as_async().get_peers(id))).map(Batches).map_err(|_| Gone)
    }

    pub(crate) async fn announce(&self, target: Id, port: Option<u16>) -> Result<bool, Gone> {
        let (node, id) = (self.node()?, node_id(target)?);
        Ok(caught(async move { node.as_async().announce_peer(id, port).await }).await?.is_ok())
    }

    pub(crate) async fn get(&self, target: Id) -> Result<Option<RawValueBuf>, Gone> {
        let (node, id) = (self.node()?, node_id(target)?);
        let value = caught(async move { node.as_async().get_immutable(id).await }).await?;
        let value = value.and_then(|value| encoded(&value));
        Ok(value.filter(|value| crate::item::immutable_target(value.as_bytes()) == target))
    }

    pub(crate) async fn put(&self, value: &RawValueBuf) -> Result<u32, Gone> {
        let node = self.node()?;
        let Some(bytes) = byte_string(value.borrow()) else { return Ok(0) };
        let result = caught(async move { node.as_async().put_immutable(&bytes).await }).await?;
        Ok(u32::from(result.is_ok()))
    }

    pub(crate) async fn get_mutable(&self, key: &PublicKey, salt: &Salt) -> Result<Option<SignedItem>, Gone> {
        let node = self.node()?;
        let (key, bytes) = (*key.as_bytes(), salt.as_bytes().to_vec());
        let salted = move |node: Node| async move {
            let salt = (!bytes.is_empty()).then_some(bytes.as_slice());
            node.as_async().get_mutable_most_recent(&key, salt).await
        };
        let Some(item) = caught(salted(node)).await? else { return Ok(None) };
        let Some(value) = encoded(item.value()) else { return Ok(None) };
        let signed = Signed { key: item.key(), signature: item.signature(), seq: item.seq(), salt: salt.as_bytes() };
        Ok(SignedItem::new(&signed, value.borrow()).ok())
    }

    pub(crate) async fn put_mutable(
        &self,
        item: &SignedItem,
        cas: Option<i64>,
    ) -> Result<(u32, Option<(i64, String)>), Gone> {
        use ::mainline::errors::{ConcurrencyError, PutMutableError};
        let node = self.node()?;
        let Some(value) = byte_string(item.value()) else { return Ok((0, None)) };
        let signed = item.signed();
        let salt = (!signed.salt.is_empty()).then_some(signed.salt);
        let theirs = MutableItem::new_signed_unchecked(*signed.key, *signed.signature, &value, signed.seq, salt);
        let result = caught(async move { node.as_async().put_mutable(theirs, cas).await }).await?;
        Ok(match result {
            Ok(_) => (1, None),
            Err(PutMutableError::Concurrency(ConcurrencyError::CasFailed | ConcurrencyError::ConflictRisk)) => {
                (0, Some((code::CAS_MISMATCH, String::new())))
            }
            Err(PutMutableError::Concurrency(ConcurrencyError::NotMostRecent)) => {
                (0, Some((code::SEQ_TOO_LOW, String::new())))
            }
            Err(error) => (0, Some((code::GENERIC, error.to_string()))),
        })
    }
}

/// Peers, as nodes answer.
pub(crate) struct Batches(GetStream<Vec<SocketAddrV4>>);

impl Batches {
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<SocketAddrV4>>, Gone> {
        caught(std::future::poll_fn(|cx| Pin::new(&mut self.0).poll_next(cx))).await
    }
}

/// It stores byte strings only, and does not encode them in what it returns.
fn byte_string(value: RawValue<'_>) -> Option<Vec<u8>> {
    Value::decode(value.as_bytes()).ok()?.as_bytes().map(Vec::from)
}

fn encoded(bytes: &[u8]) -> Option<RawValueBuf> {
    RawValue::new(&Encoder::to_vec(bytes)).map(|value| value.to_buf()).ok()
}
