//! Connections that peers open, from the stream to the peer's task. In: an [`Acceptor`]. Out: handshakes under way, each in
//! a task of its own. Never: a peer that makes others wait (see `gate`).

use std::{future::poll_fn, sync::Weak, time::Duration};

use torrent_swarm::Via;
use tracing::Instrument;

use super::{Acceptor, Gate, Incoming, Torrents, handshake};
use crate::{client::Inner, peer};

/// After an error of the transport: out of descriptors, most likely, which passes.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes in peers until the client is dropped.
pub(crate) async fn accept_all(client: Weak<Inner>, mut acceptor: Box<dyn Acceptor>, gate: Gate) {
    loop {
        match poll_fn(|context| acceptor.poll_accept(context)).await {
            Ok(incoming) => {
                if client.strong_count() == 0 {
                    return;
                }
                tokio::spawn(receive(Weak::clone(&client), incoming, gate.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// One connection, from its first byte to its end.
async fn receive(client: Weak<Inner>, incoming: Incoming, gate: Gate) {
    let Incoming { stream, address, transport } = incoming;
    let Some(client) = client.upgrade() else { return };
    if client.is_banned(address.ip()) {
        return tracing::debug!(%address, "banned");
    }
    let ticket = gate.enter(address.ip());
    let opened = tokio::select! {
        opened = handshake::accept(stream, client.config.encryption, &*client, || ticket.spoken()) => opened,
        () = ticket.evicted() => return tracing::debug!(%address, "made room for another connection"),
    };
    drop(ticket);
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => return tracing::debug!(%address, %error, "no connection"),
    };
    // Looked up again: the torrent may have been stopped during the handshake.
    let Some(torrent) = client.registry.find(opened.info_hash) else { return };
    drop(client);
    let span = torrent.span.clone();
    peer::converse(torrent, address, transport, opened, Via::Accepted).instrument(span).await;
}
