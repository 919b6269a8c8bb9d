//! Uploads: runs, and what has vanished.

use std::sync::atomic::Ordering;

use torrent_disk::{DiskConfig, Event, Run};
use torrent_storage::ErrorKind;
use torrent_types::{Bitfield, Block};

use crate::{Fixture, piece};

fn seed() -> Fixture {
    let fixture = Fixture::new(640_000, 64_000, DiskConfig::default());
    for index in 0..10 {
        fixture.fill(piece(index));
        fixture.torrent.write(piece(index));
    }
    let mut stored = 0;
    while stored < 10 {
        if let Event::PiecesStored(pieces) = fixture.next() {
            stored += pieces.len();
        }
    }
    fixture.faulty.reads.store(0, Ordering::Relaxed);
    fixture
}

fn blocks(fixture: &Fixture, wanted: &[(u32, u32)]) -> Vec<Block> {
    wanted.iter().map(|(index, number)| fixture.geometry.nth_block(piece(*index), *number).unwrap()).collect()
}

#[test]
fn blocks_come_behind_their_gaps_in_the_order_asked_for() {
    let fixture = seed();
    let wanted = blocks(&fixture, &[(3, 0), (3, 1), (3, 2), (3, 3), (4, 0), (1, 2), (0, 0), (0, 1)]);
    let mut run = Run::new();
    for gap in [0, 13] {
        fixture.torrent.read(&wanted, gap, &mut run);
        assert_eq!(run.blocks, wanted);
        assert!(run.failed.is_empty());
        let mut rest = &run.bytes[..];
        for block in &wanted {
            let (part, after) = rest.split_at(gap + block.length() as usize);
            let begin = fixture.geometry.block_offset(*block) as usize;
            assert_eq!(part[gap..], fixture.content[begin..begin + block.length() as usize]);
            rest = after;
        }
        assert!(rest.is_empty());
    }
    fixture.stop();
}

#[test]
fn what_has_vanished_is_said_once_and_not_read_again() {
    let fixture = seed();
    *fixture.faulty.cut.lock().unwrap() = Some(300_000);
    let wanted = blocks(&fixture, &[(3, 3), (4, 0), (7, 1)]);
    let mut run = Run::new();
    fixture.torrent.read(&wanted, 0, &mut run);
    assert_eq!((run.blocks.len(), run.failed.len()), (2, 1), "piece 4 has lost its end only");
    match fixture.events.try_recv().unwrap() {
        Event::PiecesLost { pieces, error } => {
            assert_eq!(pieces, (4..10).map(piece).collect::<Vec<_>>());
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
        event => panic!("{event:?}"),
    }
    let reads = fixture.faulty.reads.load(Ordering::Relaxed);
    for _ in 0..100 {
        fixture.torrent.read(&blocks(&fixture, &[(4, 0), (9, 0)]), 0, &mut run);
        assert_eq!(run.failed.len(), 2);
        assert!(run.bytes.is_empty());
    }
    assert_eq!(fixture.faulty.reads.load(Ordering::Relaxed), reads);
    assert!(fixture.events.try_recv().is_err());
    fixture.stop();
}

#[test]
fn what_is_known_from_elsewhere_can_be_read() {
    let fixture = seed();
    fixture.torrent.assume(&Bitfield::new(10));
    let mut run = Run::new();
    fixture.torrent.read(&blocks(&fixture, &[(3, 3)]), 0, &mut run);
    assert_eq!(run.failed.len(), 1);
    fixture.torrent.assume(&Bitfield::full(10));
    fixture.torrent.read(&blocks(&fixture, &[(3, 3)]), 0, &mut run);
    assert_eq!(run.blocks.len(), 1);
    fixture.stop();
}
