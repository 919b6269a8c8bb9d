//! Carries out one attempt that a swarm has ordered. In: where, over which transport, obfuscated or not. Out: a connection,
//! or what kept it from coming about. Never: a second attempt (the swarm knows what to try next).

use std::{io, sync::Arc};

use tokio::time::timeout;
use torrent_swarm::{Attempt, DialFault, Obfuscation as Opening, Via};
use torrent_wire::{PeerFault, mse::Obfuscation};

use super::handshake::{self, HandshakeError, Opened};
use crate::{peer, torrent::TorrentInner};

/// Dials, and lives as long as the connection.
pub(crate) async fn dial(torrent: Arc<TorrentInner>, attempt: Attempt) {
    match open(&torrent, &attempt).await {
        Ok(opened) => {
            peer::converse(torrent, attempt.address, attempt.transport, opened, Via::Dialed(attempt.id)).await;
        }
        Err(fault) => torrent.with(|swarm, now| swarm.handle_dial_failed(now, attempt.id, fault)),
    }
}

async fn open(torrent: &TorrentInner, attempt: &Attempt) -> Result<Opened, DialFault> {
    let address = attempt.address;
    let dialer = torrent.client.dialer(attempt.transport).ok_or(DialFault::NotTried)?;
    let stream = match timeout(attempt.timeout, dialer.dial(address)).await {
        Ok(Ok(stream)) => stream,
        outcome => {
            let (why, fault) = match outcome {
                Ok(Err(error)) if is_ours(&error) => (error.to_string(), DialFault::NotTried),
                Ok(Err(error)) => (error.to_string(), DialFault::Unreachable),
                _ => ("it does not answer".to_owned(), DialFault::Unreachable),
            };
            tracing::debug!(%address, transport = ?attempt.transport, why, "not reached");
            return Err(fault);
        }
    };
    let methods = torrent.client.config.encryption.methods();
    handshake::initiate(stream, torrent.offer(), wire_obfuscation(attempt.obfuscation), methods).await.map_err(
        |error| {
            tracing::debug!(%address, obfuscation = ?attempt.obfuscation, %error, "no handshake");
            match error {
                HandshakeError::Fault(PeerFault::SelfConnection) => DialFault::Ourselves,
                HandshakeError::Fault(PeerFault::WrongInfoHash) => DialFault::WrongTorrent,
                _ => DialFault::NotUnderstood,
            }
        },
    )
}

/// Whether the error says something about us and nothing about the peer: no socket is left.
fn is_ours(error: &io::Error) -> bool {
    #[cfg(unix)]
    let out_of_files = matches!(error.raw_os_error(), Some(code) if code == rustix::io::Errno::MFILE.raw_os_error() || code == rustix::io::Errno::NFILE.raw_os_error());
    #[cfg(not(unix))]
    let out_of_files = false;
    out_of_files || error.kind() == io::ErrorKind::OutOfMemory
}

fn wire_obfuscation(opening: Opening) -> Obfuscation {
    match opening {
        Opening::Plain => Obfuscation::Plain,
        Opening::Mse => Obfuscation::Mse,
    }
}
