//! The content of a torrent: its metadata, and its way between peers and the disk. In: what the disk reports. Out: facts
//! for the swarm, progress of the check. Never: hashing and writing (see `torrent-disk`).

use std::sync::{Arc, Weak};

use torrent_content::Hashes;
use torrent_disk::{Checked, Event as DiskEvent, Listener, TorrentDisk, Verdict};
use torrent_metainfo::{Info, Metainfo};
use torrent_storage::{Layout, Storage, StorageError};
use torrent_swarm::{Failure, Outcome};
use torrent_types::{Bitfield, Geometry, PieceIndex};

use super::TorrentInner;
use crate::{Error, Event, Phase};

/// A torrent whose metadata is known.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) metainfo: Metainfo,
    pub(crate) geometry: Geometry,
    /// All files and pads, laid end to end.
    pub(crate) layout: Layout,
    /// Which of these people see, by number.
    pub(crate) listed: Box<[usize]>,
    pub(crate) disk: TorrentDisk,
}

impl Content {
    pub(crate) fn info(&self) -> &Info {
        self.metainfo.info()
    }

    /// The path of a file that people see.
    pub(crate) fn path(&self, listed: usize) -> String {
        let file = self.listed.get(listed).and_then(|index| self.layout.files().get(*index));
        file.map_or_else(String::new, |file| file.path().to_string_lossy().into_owned())
    }
}

/// Opens the storage of a torrent. Makes nothing on disk.
pub(super) fn open(torrent: &Arc<TorrentInner>, metainfo: Metainfo, storage: &dyn Storage) -> Result<Content, Error> {
    let info = metainfo.info();
    let layout = torrent_content::layout(info)?;
    let geometry = info.geometry();
    let hashes = Hashes::new(info.clone(), metainfo.piece_layers().clone());
    let listener = Arc::new(Reports(Arc::downgrade(torrent)));
    let disk = torrent.client.disk.open(storage.open(&layout)?, geometry, Arc::new(hashes), listener);
    let disk = disk.map_err(Error::System)?;
    let listed = (0..).zip(layout.files()).filter(|(_, file)| !file.is_pad()).map(|(index, _)| index).collect();
    Ok(Content { metainfo, geometry, layout, listed, disk })
}

/// What the disk tells a torrent. It does not keep the torrent alive, for the torrent owns the disk's side of it.
struct Reports(Weak<TorrentInner>);

impl Listener for Reports {
    fn handle_disk_event(&self, event: DiskEvent) {
        if let Some(torrent) = self.0.upgrade() {
            // Most events come on threads of the disk's own.
            let _in_runtime = torrent.client.enter();
            let _entered = torrent.span.enter();
            torrent.handle_disk_event(event);
        }
    }
}

impl TorrentInner {
    fn handle_disk_event(self: &Arc<Self>, event: DiskEvent) {
        match event {
            DiskEvent::PieceHashed { slot, verdict } => {
                let outcome = match verdict {
                    Verdict::Good => Outcome::Good,
                    Verdict::Bad => Outcome::Bad,
                };
                if outcome == Outcome::Bad {
                    tracing::debug!(piece = %slot.piece(), "a piece failed its check");
                }
                self.with(|swarm, now| {
                    // Under the lock: a copy that was forgotten meanwhile says nothing about the next one.
                    if !slot.is_closed() {
                        swarm.handle_piece_hashed(now, slot.piece(), outcome);
                    }
                });
            }
            DiskEvent::ExtentStored { slot, extent } => self.with(|swarm, now| {
                if !slot.is_closed() {
                    swarm.handle_extent_stored(now, slot.piece(), extent);
                }
            }),
            DiskEvent::PiecesStored(pieces) => {
                self.with(|swarm, now| swarm.handle_pieces_stored(now, &pieces));
                self.wake_readers();
            }
            DiskEvent::PiecesLost { pieces, error } => {
                tracing::warn!(%error, pieces = pieces.len(), "pieces are lost");
                self.with(|swarm, now| pieces.iter().for_each(|piece| swarm.handle_piece_lost(now, *piece)));
            }
            DiskEvent::Failed(error) => self.storage_failed(error),
            DiskEvent::CheckProgress { done, total } => {
                self.phase.send_if_modified(|phase| {
                    let checking = matches!(phase, Phase::Checking { .. });
                    if checking {
                        *phase = Phase::Checking { done, total };
                    }
                    checking
                });
            }
            DiskEvent::Checked(outcome) => self.checked(outcome),
            DiskEvent::Finished(outcome) => match outcome {
                Ok(()) => self.files_finished(),
                Err(error) => self.storage_failed(error),
            },
        }
    }

    /// What is in storage is known now, or why it cannot be known.
    fn checked(self: &Arc<Self>, outcome: Result<Checked, StorageError>) {
        match outcome {
            Ok(Checked { have, .. }) => {
                let (good, total) = (have.count_ones(), have.len());
                self.with(|swarm, now| swarm.handle_checked(now, Ok(have)));
                self.report(|| Event::Checked { good, total });
            }
            Err(error) => {
                let failure = failure_of(&error);
                self.set_failure(Arc::new(Error::from(error)));
                self.with(|swarm, now| swarm.handle_checked(now, Err(failure)));
            }
        }
    }

    /// Which of our own blocks say which peer has lied about a piece.
    pub(super) fn testify(self: &Arc<Self>, piece: PieceIndex) {
        let Some(content) = self.content.get() else { return };
        let evidence = content.disk.evidence(piece);
        self.with(|swarm, now| swarm.handle_evidence(now, piece, evidence));
    }

    /// The pieces that are in storage, of a torrent whose metadata is known.
    pub(super) fn check(&self) {
        if let Some(content) = self.content.get() {
            content.disk.check();
        }
    }

    /// Nothing of an unknown torrent is in storage.
    #[must_use]
    pub(crate) fn have(&self) -> Bitfield {
        self.look(|swarm| swarm.have().clone())
    }
}

/// Whether the failure may pass by itself.
pub(super) fn failure_of(error: &StorageError) -> Failure {
    if error.is_lasting() { Failure::Lasting } else { Failure::Passing }
}
