//! Random histories of blocks against a model: nothing is lost, nothing wrong is reported stored, all memory comes back.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use torrent_disk::{DiskConfig, Event, PutError, Slot, Verdict};
use torrent_storage::ErrorKind;
use torrent_types::PieceIndex;

use crate::{Fixture, piece};

#[derive(Clone, Copy, Debug)]
enum Act {
    /// Blocks of a piece are accepted: from which one on, how many, and whether they are right.
    Accept {
        piece: u32,
        from: u32,
        count: u32,
        right: bool,
    },
    /// Blocks that were accepted before are put only now.
    PutDelayed,
    /// The next blocks are put later.
    Delay,
    Forget(u32),
    Refuse(bool),
    Retry,
    /// All blocks of a piece that its copy lacks are put, right.
    Complete(u32),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0u32..4, 0u32..150, 1u32..60, prop::bool::weighted(0.9))
            .prop_map(|(piece, from, count, right)| Act::Accept { piece, from, count, right }),
        2 => Just(Act::PutDelayed),
        2 => Just(Act::Delay),
        1 => (0u32..4).prop_map(Act::Forget),
        1 => any::<bool>().prop_map(Act::Refuse),
        1 => Just(Act::Retry),
        3 => (0u32..4).prop_map(Act::Complete),
    ];
    prop::collection::vec(act, 1..60)
}

/// What a swarm would know.
struct Model<'a> {
    fixture: &'a Fixture,
    /// The copies that are open, and which blocks of them are here, with whether they are right.
    copies: BTreeMap<PieceIndex, (Slot, BTreeMap<u32, bool>)>,
    delayed: Vec<(Slot, u32, bool)>,
    delaying: bool,
    /// Verified, and told to be written.
    committed: BTreeSet<PieceIndex>,
    stored: BTreeSet<PieceIndex>,
    /// Storage works: a failure is one that was on its way.
    mended: bool,
}

impl<'a> Model<'a> {
    fn new(fixture: &'a Fixture) -> Self {
        Self {
            fixture,
            copies: BTreeMap::new(),
            delayed: Vec::new(),
            delaying: false,
            committed: BTreeSet::new(),
            stored: BTreeSet::new(),
            mended: false,
        }
    }

    fn is_done(&self, piece: PieceIndex) -> bool {
        self.stored.contains(&piece) || self.committed.contains(&piece)
    }

    fn accept(&mut self, piece: PieceIndex, index: u32, right: bool) {
        if self.is_done(piece) || index >= self.fixture.geometry.block_count(piece) {
            return;
        }
        let slot = self.fixture.torrent.slot(piece);
        let (known, here) = self.copies.entry(piece).or_insert_with(|| (slot.clone(), BTreeMap::new()));
        assert!(!known.is_closed(), "an open copy stays open");
        if here.contains_key(&index) {
            // A swarm would discard it; the disk must, too.
            let again = self.put(&slot, index, false);
            assert!(matches!(again, Err(PutError::Duplicate) | Ok(())), "{again:?}");
            if again == Ok(()) {
                // It was accepted, but its bytes are still on their way: these are the duplicates now.
                self.copies.get_mut(&piece).unwrap().1.insert(index, false);
            }
            return;
        }
        here.insert(index, right);
        if self.delaying {
            self.delayed.push((slot, index, right));
        } else {
            assert_eq!(self.put(&slot, index, right), Ok(()));
        }
    }

    fn put(&self, slot: &Slot, index: u32, right: bool) -> Result<(), PutError> {
        let block = self.fixture.geometry.nth_block(slot.piece(), index).unwrap();
        let mut data = self.fixture.bytes(slot.piece())[block.begin() as usize..block.end() as usize].to_vec();
        data[0] ^= u8::from(!right);
        slot.put(block, &data)
    }

    fn forget(&mut self, piece: PieceIndex) {
        if !self.is_done(piece) {
            self.fixture.torrent.forget(piece);
            if let Some((slot, _)) = self.copies.remove(&piece) {
                assert!(slot.is_closed());
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::PieceHashed { slot, verdict } if !slot.is_closed() => {
                let (_, here) = &self.copies[&slot.piece()];
                assert_eq!(here.len() as u32, self.fixture.geometry.block_count(slot.piece()));
                let is_right = here.values().all(|right| *right);
                assert_eq!(verdict == Verdict::Good, is_right);
                if is_right {
                    self.committed.insert(slot.piece());
                    self.copies.remove(&slot.piece());
                    self.fixture.torrent.write(slot.piece());
                } else {
                    assert_eq!(self.fixture.torrent.evidence(slot.piece()).len(), here.len());
                    self.forget(slot.piece());
                }
            }
            Event::PiecesStored(pieces) => {
                for piece in pieces {
                    assert!(self.committed.remove(&piece), "only what was to be written");
                    self.stored.insert(piece);
                    let offset = self.fixture.geometry.piece_offset(piece);
                    let bytes = self.fixture.bytes(piece);
                    assert!(self.fixture.faulty.peek(offset, bytes.len()) == bytes, "stored means stored right");
                }
            }
            Event::PiecesLost { pieces, .. } => {
                for piece in pieces {
                    assert!(self.committed.remove(&piece), "said once, of what was accepted");
                }
            }
            Event::Failed(error) => {
                assert_eq!(error.kind(), ErrorKind::Full);
                if self.mended {
                    self.fixture.torrent.retry();
                }
            }
            Event::PieceHashed { .. } | Event::ExtentStored { .. } => {}
            event => panic!("{event:?}"),
        }
    }

    fn drain(&mut self) {
        while let Ok(event) = self.fixture.events.try_recv() {
            self.handle(event);
        }
    }

    fn put_delayed(&mut self) {
        for (slot, index, right) in std::mem::take(&mut self.delayed) {
            let was_closed = slot.is_closed();
            match self.put(&slot, index, right) {
                Ok(()) => assert!(!was_closed),
                // Its twin was put before.
                Err(PutError::Duplicate) => {}
                Err(error) => assert!(error == PutError::Late && slot.is_closed()),
            }
        }
    }

    fn complete(&mut self, piece: PieceIndex) {
        self.put_delayed();
        self.drain();
        self.delaying = false;
        for index in 0..self.fixture.geometry.block_count(piece) {
            if self.copies.get(&piece).is_none_or(|(_, here)| !here.contains_key(&index)) {
                self.accept(piece, index, true);
            }
        }
        self.drain();
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Accept { piece: index, from, count, right } => {
                for block in from..from + count {
                    self.accept(piece(index), block, right || block % 5 > 0);
                    self.drain();
                }
            }
            Act::PutDelayed => self.put_delayed(),
            Act::Delay => self.delaying = true,
            Act::Forget(index) => self.forget(piece(index)),
            Act::Refuse(refuse) => self.fixture.faulty.refuse(refuse.then_some(ErrorKind::Full)),
            Act::Retry => self.fixture.torrent.retry(),
            Act::Complete(index) => self.complete(piece(index)),
        }
        self.drain();
    }

    /// Storage works again, and every piece is fetched right.
    fn finish(&mut self) {
        self.put_delayed();
        self.mended = true;
        self.fixture.faulty.refuse(None);
        self.fixture.torrent.retry();
        for index in self.fixture.geometry.pieces() {
            loop {
                self.drain();
                if self.stored.contains(&index) {
                    break;
                }
                let blocks = self.fixture.geometry.block_count(index);
                let is_full = self.copies.get(&index).is_some_and(|(_, here)| here.len() as u32 == blocks);
                if !is_full && !self.is_done(index) {
                    self.complete(index);
                    continue;
                }
                // It is being written, or hashed from storage.
                let event = self.fixture.events.recv_timeout(std::time::Duration::from_secs(20));
                let event = event.unwrap_or_else(|_| panic!("nothing came of piece {index}: {:?}", self.committed));
                self.handle(event);
            }
        }
        assert!(self.committed.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_is_lost_nothing_wrong_is_stored_and_memory_comes_back(
        acts in acts(),
        piece_length in prop_oneof![Just(40_000u32), Just(1 << 20), Just((1 << 20) + 16_384), Just(2_359_296)],
        read_back in prop_oneof![Just(0usize), Just(1 << 20), Just(64 << 20)],
        memory in prop_oneof![Just(0usize), Just(4 << 20), Just(64 << 20)],
    ) {
        let length = piece_length as usize * 4 - 1000;
        let config = DiskConfig::default().read_back(read_back).memory(memory);
        let fixture = Fixture::new(length, piece_length, config);
        let mut model = Model::new(&fixture);
        acts.into_iter().for_each(|act| model.act(act));
        model.finish();
        assert!(fixture.faulty.peek(0, length) == fixture.content);
        drop(model);
        fixture.stop();
    }

    #[test]
    fn stopping_at_any_moment_loses_nothing_that_was_to_be_written(
        acts in acts(),
        piece_length in prop_oneof![Just(40_000u32), Just((1 << 20) + 16_384)],
    ) {
        let length = piece_length as usize * 4 - 1000;
        let fixture = Fixture::new(length, piece_length, DiskConfig::default().memory(64 << 20));
        let mut model = Model::new(&fixture);
        acts.into_iter().for_each(|act| model.act(act));
        fixture.faulty.refuse(None);
        let (done, stopped) = std::sync::mpsc::channel();
        fixture.torrent.stop(move || done.send(()).unwrap());
        stopped.recv().unwrap();
        model.drain();
        prop_assert!(model.committed.is_empty(), "accepted and neither stored nor lost: {:?}", model.committed);
        prop_assert_eq!(fixture.disk.memory_used(), 0);
    }
}
