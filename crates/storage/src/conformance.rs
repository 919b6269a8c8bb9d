//! What every backend has to do, as tests. Call [`run`] from a test of your own; it panics with the name of the rule that is
//! broken. In: a way to make fresh, empty storages. Never: anything that only files can do.

use std::{fmt, io::IoSlice, panic, thread};

use crate::{ErrorKind, Extent, FileEntry, Layout, Storage, TorrentStorage};

/// The rules, by name, in the order in which they are worth looking at.
pub const RULES: &[Rule] = &[
    rule("an empty torrent holds no byte", empty_torrent),
    rule("nothing is there at first", nothing_at_first),
    rule("what was written is read", reads_what_was_written),
    rule("one write may come in many parts and span many files", spans_files),
    rule("reading stops at the first byte that is not there", stops_at_a_gap),
    rule("pads read as zeros and are not stored", pads),
    rule("a later write wins", overwrites),
    rule("empty slices and empty buffers are nothing", empty_slices),
    rule("outside the torrent is an error", out_of_range),
    rule("presence never denies what can be read", presence_is_honest),
    rule("opening again finds what was written", reopens),
    rule("what was removed is gone", removes),
    rule("files that are not wanted can be read all the same", unwanted_files),
    rule("threads do not disturb each other", threads),
    rule("it is a vector of bytes", behaves_like_a_vector),
];

/// Checks all of [`RULES`], each with a fresh storage.
///
/// # Panics
/// If a rule is broken.
pub fn run<S: Storage>(fresh: impl Fn() -> S) {
    for rule in RULES {
        let storage = fresh();
        let outcome = panic::catch_unwind(panic::AssertUnwindSafe(|| (rule.check)(&storage)));
        assert!(outcome.is_ok(), "the storage breaks the rule: {}", rule.name);
    }
}

/// One thing that a backend has to do.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Rule {
    /// What it says.
    pub name: &'static str,
    /// Panics if a fresh, empty storage does not keep to it.
    pub check: fn(&dyn Storage),
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rule({})", self.name)
    }
}

const fn rule(name: &'static str, check: fn(&dyn Storage)) -> Rule {
    Rule { name, check }
}

fn layout(lengths: &[u64]) -> Layout {
    let entry = |(index, length): (usize, &u64)| FileEntry::new(format!("folder {}/file {index}", index % 3), *length);
    Layout::new(lengths.iter().enumerate().map(entry)).expect("a legal layout")
}

fn open(storage: &dyn Storage, layout: &Layout) -> Box<dyn TorrentStorage> {
    storage.open(layout).expect("opens")
}

fn write(torrent: &dyn TorrentStorage, offset: u64, bytes: &[u8]) {
    torrent.write_at(offset, &[IoSlice::new(bytes)]).expect("writes");
}

fn read(torrent: &dyn TorrentStorage, offset: u64, length: usize) -> Vec<u8> {
    let mut buffer = vec![0xEE; length];
    let read = torrent.read_at(offset, &mut buffer).expect("reads");
    buffer.truncate(read);
    buffer
}

/// Bytes that differ from their neighbours, and from one seed to the next.
fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes().first().copied().unwrap_or(0)
    };
    (0..length).map(|_| next()).collect()
}

fn empty_torrent(storage: &dyn Storage) {
    let torrent = open(storage, &layout(&[]));
    write(&*torrent, 0, b"");
    assert_eq!(read(&*torrent, 0, 0), b"");
    torrent.finish().expect("finishes");
    assert_eq!(torrent.presence().expect("presence").of(0..0), Extent::Zeros);
}

fn nothing_at_first(storage: &dyn Storage) {
    let torrent = open(storage, &layout(&[10, 0, 10]));
    assert_eq!(read(&*torrent, 0, 20), b"");
    assert_eq!(read(&*torrent, 15, 5), b"");
    assert_eq!(torrent.presence().expect("presence").of(0..1), Extent::Missing);
}

fn reads_what_was_written(storage: &dyn Storage) {
    let torrent = open(storage, &layout(&[100]));
    write(&*torrent, 0, &pattern(1, 100));
    assert_eq!(read(&*torrent, 0, 100), pattern(1, 100));
    assert_eq!(read(&*torrent, 40, 20), pattern(1, 100)[40..60]);
    torrent.flush().expect("flushes");
    torrent.finish().expect("finishes");
    assert_eq!(read(&*torrent, 99, 1), pattern(1, 100)[99..]);
}

fn spans_files(storage: &dyn Storage) {
    let torrent = open(storage, &layout(&[0, 3, 1, 0, 0, 500, 1, 7, 0]));
    let bytes = pattern(2, 512);
    let parts: Vec<_> = bytes.chunks(5).map(IoSlice::new).collect();
    torrent.write_at(0, &parts).expect("writes");
    assert_eq!(read(&*torrent, 0, 512), bytes);
    assert_eq!(read(&*torrent, 2, 505), bytes[2..507]);
    // More parts than one system call takes.
    drop(torrent);
    let parts: Vec<_> = bytes.chunks(1).cycle().take(5000).map(IoSlice::new).collect();
    let torrent = open(storage, &layout(&[2500, 2501]));
    torrent.write_at(1, &parts).expect("writes");
    assert_eq!(read(&*torrent, 1 + 512 * 3, 512), bytes);
}

fn stops_at_a_gap(storage: &dyn Storage) {
    let torrent = open(storage, &layout(&[10, 10, 10]));
    write(&*torrent, 0, &[1; 10]);
    write(&*torrent, 20, &[3; 10]);
    assert_eq!(read(&*torrent, 0, 30), [1; 10]);
    assert_eq!(read(&*torrent, 10, 20), b"");
    assert_eq!(read(&*torrent, 25, 5), [3; 5]);
}

fn pads(storage: &dyn Storage) {
    let layout = Layout::new([
        FileEntry::pad(2),
        FileEntry::new("a", 3),
        FileEntry::pad(5),
        FileEntry::new("b", 2),
        FileEntry::pad(4),
    ]);
    let torrent = open(storage, &layout.expect("a legal layout"));
    assert_eq!(read(&*torrent, 0, 2), [0; 2], "pads are there from the beginning");
    write(&*torrent, 0, &[9; 16]);
    assert_eq!(read(&*torrent, 0, 16), [0, 0, 9, 9, 9, 0, 0, 0, 0, 0, 9, 9, 0, 0, 0, 0]);
    assert_eq!(torrent.presence().expect("presence").of(12..16), Extent::Zeros);
}

fn overwrites(storage: &dyn Storage) {
    let torrent = open(storage, &layout(&[6, 6]));
    write(&*torrent, 2, &[1; 8]);
    write(&*torrent, 4, &[2; 3]);
    write(&*torrent, 0, &[3; 3]);
    write(&*torrent, 9, &[4; 3]);
    assert_eq!(read(&*torrent, 0, 12), [3, 3, 3, 1, 2, 2, 2, 1, 1, 4, 4, 4]);
}

fn empty_slices(storage: &dyn Storage) {
    let torrent = open(storage, &layout(&[2, 2]));
    torrent.write_at(0, &[]).expect("writes nothing");
    torrent.write_at(4, &[IoSlice::new(b"")]).expect("writes nothing at the end");
    assert_eq!(read(&*torrent, 4, 0), b"");
    let parts = [&b""[..], b"a", b"", b"", b"bcd", b""].map(IoSlice::new);
    torrent.write_at(0, &parts).expect("writes");
    assert_eq!(read(&*torrent, 0, 4), b"abcd");
}

fn out_of_range(storage: &dyn Storage) {
    let torrent = open(storage, &layout(&[4, 4]));
    for (offset, length) in [(0, 9), (8, 1), (9, 0), (u64::MAX, 1), (u64::MAX - 3, 8)] {
        let mut buffer = vec![0; length];
        let read = torrent.read_at(offset, &mut buffer).expect_err("reading outside");
        assert_eq!(read.kind(), ErrorKind::OutOfRange);
        let written = torrent.write_at(offset, &[IoSlice::new(&buffer)]).expect_err("writing outside");
        assert_eq!(written.kind(), ErrorKind::OutOfRange);
    }
    assert_eq!(read(&*torrent, 0, 8), b"", "nothing was written on the way to the error");
}

fn presence_is_honest(storage: &dyn Storage) {
    let lengths = [70_000, 0, 1, 70_000];
    let torrent = open(storage, &layout(&lengths));
    write(&*torrent, 69_999, &pattern(3, 3));
    write(&*torrent, 100_000, &[0; 10_000]);
    let presence = torrent.presence().expect("presence");
    for at in (0..140_001).step_by(617).chain([69_999, 70_000, 70_001]) {
        let readable = read(&*torrent, at, 1).len() == 1;
        assert_eq!(presence.of(at..at + 1) != Extent::Missing, readable, "byte {at}");
        if presence.of(at..at + 1) == Extent::Zeros {
            assert_eq!(read(&*torrent, at, 1), [0], "byte {at}");
        }
    }
}

fn reopens(storage: &dyn Storage) {
    let layout = layout(&[10, 20]);
    let torrent = open(storage, &layout);
    write(&*torrent, 5, &[7; 10]);
    torrent.flush().expect("flushes");
    drop(torrent);
    assert_eq!(read(&*open(storage, &layout), 5, 10), [7; 10]);
}

fn removes(storage: &dyn Storage) {
    let layout = layout(&[10, 20]);
    let torrent = open(storage, &layout);
    write(&*torrent, 0, &[7; 30]);
    match torrent.remove() {
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported),
        Ok(()) => {
            assert_eq!(read(&*torrent, 0, 30), b"");
            assert_eq!(read(&*open(storage, &layout), 0, 30), b"");
            torrent.remove().expect("removing nothing is no error");
        }
    }
}

fn unwanted_files(storage: &dyn Storage) {
    let torrent = open(storage, &layout(&[10, 20, 10]));
    torrent.set_wanted(0, false).expect("not wanted");
    torrent.set_wanted(1, false).expect("not wanted");
    write(&*torrent, 25, &pattern(4, 15));
    write(&*torrent, 3, &pattern(5, 9));
    assert_eq!(read(&*torrent, 25, 15), pattern(4, 15));
    assert_eq!(read(&*torrent, 3, 9), pattern(5, 9));
    torrent.set_wanted(1, true).expect("wanted after all");
    assert_eq!(read(&*torrent, 25, 15), pattern(4, 15));
    assert_eq!(read(&*torrent, 3, 9), pattern(5, 9));
    write(&*torrent, 0, &pattern(6, 40));
    assert_eq!(read(&*torrent, 0, 40), pattern(6, 40));
    assert!(torrent.set_wanted(0, true).is_ok());
    assert_eq!(read(&*torrent, 0, 40), pattern(6, 40));
}

fn threads(storage: &dyn Storage) {
    const BLOCK: usize = 1000;
    let torrent = open(storage, &layout(&[3500, 0, 1, 9999, 18_500]));
    thread::scope(|scope| {
        for worker in 0..4_u64 {
            let torrent = &*torrent;
            scope.spawn(move || {
                for block in (worker..32).step_by(4) {
                    write(torrent, block * BLOCK as u64, &pattern(block, BLOCK));
                    assert_eq!(read(torrent, block * BLOCK as u64, BLOCK), pattern(block, BLOCK));
                    torrent.presence().expect("presence");
                }
            });
        }
    });
    for block in 0..32 {
        assert_eq!(read(&*torrent, block * BLOCK as u64, BLOCK), pattern(block, BLOCK), "block {block}");
    }
}

fn behaves_like_a_vector(storage: &dyn Storage) {
    let layout = layout(&[0, 1, 300, 0, 1, 1, 2000, 17, 0]);
    let torrent = open(storage, &layout);
    let total = 2320_usize;
    let mut twin = pattern(0, total);
    write(&*torrent, 0, &twin);
    for step in 1..200 {
        let start = step * 577 % total;
        let bytes = pattern(step as u64, (step * 131 % 700).min(total - start));
        write(&*torrent, start as u64, &bytes);
        twin[start..start + bytes.len()].copy_from_slice(&bytes);
        let from = step * 941 % total;
        let length = (step * 89 % 900).min(total - from);
        assert_eq!(read(&*torrent, from as u64, length), twin[from..from + length], "step {step}");
    }
    torrent.finish().expect("finishes");
    assert_eq!(read(&*torrent, 0, total), twin);
}
