//! Public API only: blocks in any order and at any moment, faults of storage, and nothing lost or wrong.
#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test that cannot go on has failed")]

mod checks;
mod faulty;
mod history;
mod reads;
mod transfer;

use std::sync::{
    Arc,
    mpsc::{self, Receiver, Sender},
};

use sha1::{Digest as _, Sha1};
use torrent_content::Sha1Hashes;
use torrent_disk::{Disk, DiskConfig, Event, Listener, Slot, TorrentDisk};
use torrent_storage::{FileEntry, Layout};
use torrent_types::{Geometry, PieceIndex};

use crate::faulty::Faulty;

/// A torrent of one file whose content is known, on storage that fails on demand.
struct Fixture {
    disk: Disk,
    torrent: TorrentDisk,
    events: Receiver<Event>,
    faulty: Arc<Faulty>,
    geometry: Geometry,
    content: Vec<u8>,
}

struct Channel(Sender<Event>);

impl Listener for Channel {
    fn handle_disk_event(&self, event: Event) {
        // The test may have ended.
        let _ = self.0.send(event);
    }
}

fn piece(index: u32) -> PieceIndex {
    PieceIndex::new(index)
}

/// Bytes that differ from their neighbours.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251 + at / 65_537) as u8).collect()
}

impl Fixture {
    fn new(length: usize, piece_length: u32, config: DiskConfig) -> Self {
        let content = content(length);
        let hashes: Vec<[u8; 20]> =
            content.chunks(piece_length as usize).map(|piece| Sha1::digest(piece).into()).collect();
        let layout = Layout::new([FileEntry::new("a", length as u64)]).unwrap();
        let geometry = Geometry::new(length as u64, piece_length).unwrap();
        let faulty = Faulty::new(&layout);
        let disk = Disk::start(config).unwrap();
        let (sender, events) = mpsc::channel();
        let hashes = Arc::new(Sha1Hashes::new(hashes));
        let torrent = disk.open(faulty.open(), geometry, hashes, Arc::new(Channel(sender))).unwrap();
        Self { disk, torrent, events, faulty, geometry, content }
    }

    fn bytes(&self, piece: PieceIndex) -> &[u8] {
        let begin = self.geometry.piece_offset(piece) as usize;
        &self.content[begin..begin + self.geometry.length_of(piece) as usize]
    }

    /// Puts a block of a slot, right.
    fn put(&self, slot: &Slot, index: u32) {
        let block = self.geometry.nth_block(slot.piece(), index).unwrap();
        slot.put(block, &self.bytes(slot.piece())[block.begin() as usize..block.end() as usize]).unwrap();
    }

    /// Puts all blocks of a piece in order.
    fn fill(&self, piece: PieceIndex) -> Slot {
        let slot = self.torrent.slot(piece);
        (0..self.geometry.block_count(piece)).for_each(|index| self.put(&slot, index));
        slot
    }

    /// The next event that is not about an extent or progress.
    fn next(&self) -> Event {
        loop {
            match self.events.recv().unwrap() {
                Event::ExtentStored { .. } | Event::CheckProgress { .. } => {}
                event => return event,
            }
        }
    }

    /// Stops, and says that all memory is back.
    fn stop(self) {
        let (done, stopped) = mpsc::channel();
        self.torrent.stop(move || done.send(()).unwrap());
        stopped.recv().unwrap();
        assert_eq!(self.disk.memory_used(), 0);
    }
}
