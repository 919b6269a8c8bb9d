//! The task that a torrent has for itself: checks what is there, then dials, keeps time, and ends it all.
//! Never: bytes of peers (see `peer`), announces (see `announce`).

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::{mpsc, watch};
use torrent_content::Check;
use torrent_storage::StorageError;
use torrent_swarm::Swarm;
use torrent_types::Bitfield;

use crate::{Event, Phase, brain::Order, clock, connect, disk::Target, torrent::Shared};

/// After a storage error, downloading is tried again so often: space may have returned.
const STORAGE_RETRY: Duration = Duration::from_secs(30);

/// Lives as long as the torrent. `make_swarm` gets the pieces that are in storage.
pub(crate) async fn supervise(
    torrent: Arc<Shared>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    make_swarm: impl FnOnce(Bitfield) -> Swarm,
    peers: Vec<SocketAddr>,
    announcing: impl Future<Output = ()> + Send + 'static,
) {
    let mut stop = torrent.stop.subscribe();
    let checked = tokio::select! {
        checked = check(Arc::clone(&torrent)) => checked,
        () = stopped(&mut stop) => {
            torrent.cancel_check.store(true, Ordering::Relaxed);
            torrent.core.forget(torrent.info_hash);
            torrent.phase.send_replace(Phase::Stopped);
            return;
        }
    };
    let have = checked.unwrap_or_else(|error| {
        torrent.written(&[], Err(error), Vec::new());
        Bitfield::new(torrent.geometry.piece_count())
    });
    torrent.report(Event::Checked { good: have.count_ones(), total: have.len() });
    let complete = have.is_full();
    let swarm = make_swarm(have);
    torrent.brain.with(|place| *place = swarm);
    torrent.brain.with(|swarm| swarm.pause_downloading(clock::now(), !*torrent.wanted.borrow()));
    torrent.core.serve(&torrent);
    if *torrent.phase.borrow() != Phase::StorageFailed {
        if complete {
            finish(&torrent).await;
        } else {
            torrent.settle_phase();
        }
    }
    torrent.add_addresses(peers, true);
    let announcing = tokio::spawn(announcing);

    let mut storage_retry = tokio::time::interval(STORAGE_RETRY);
    loop {
        let due = torrent.brain.with(|swarm| swarm.poll_timeout());
        tokio::select! {
            Some(order) = orders.recv() => match order {
                Order::Dial(address) => drop(tokio::spawn(connect::dial(Arc::clone(&torrent), address))),
                Order::Finished => finish(&torrent).await,
            },
            () = tokio::time::sleep_until(due.into()) => {
                torrent.brain.with(|swarm| swarm.handle_timeout(clock::now()));
            }
            _ = storage_retry.tick() => {
                if *torrent.phase.borrow() == Phase::StorageFailed {
                    torrent.brain.with(|swarm| swarm.pause_downloading(clock::now(), !*torrent.wanted.borrow()));
                    torrent.settle_phase();
                }
            }
            () = stopped(&mut stop) => break,
        }
    }
    torrent.core.forget(torrent.info_hash);
    torrent.brain.close_all();
    // Trackers are told under a short deadline of the announcer's own.
    let _ = announcing.await;
    torrent.phase.send_replace(Phase::Stopped);
}

/// Which pieces are in storage, with progress in the phase.
async fn check(torrent: Arc<Shared>) -> Result<Bitfield, StorageError> {
    let work = tokio::task::spawn_blocking(move || {
        let hashes = torrent_content::Sha1Hashes::new(torrent.info.piece_hashes());
        let on_piece = |_, _| {
            torrent.phase.send_modify(|phase| {
                if let Phase::Checking { done, .. } = phase {
                    *done += 1;
                }
            });
        };
        let check = Check::new(&*torrent.storage, &torrent.geometry, &hashes).on_piece(&on_piece);
        check.cancel(&torrent.cancel_check).run().map(|report| report.have)
    });
    match work.await {
        Ok(outcome) => outcome,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Every piece is in storage: empty files are made, lengths set. Nothing is forced to the disk: the next start hashes what
/// it finds, so a loss of power costs pieces, never truth.
async fn finish(torrent: &Arc<Shared>) {
    let outcome = {
        let torrent = Arc::clone(torrent);
        tokio::task::spawn_blocking(move || torrent.storage.finish()).await
    };
    match outcome {
        Ok(Err(error)) => torrent.written(&[], Err(error), Vec::new()),
        _ => {
            torrent.settle_phase();
            torrent.report(Event::Finished);
        }
    }
}

/// Returns when the torrent is to end.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender lives in the torrent, which the caller holds.
    let _ = stop.wait_for(|stop| *stop).await;
}
