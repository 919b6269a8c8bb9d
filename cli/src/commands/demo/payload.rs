//! Content that nobody has to store: every byte follows from its offset.

use std::{io::IoSlice, ops::Range, thread};

use sha1::{Digest, Sha1};
use torrent_bencode::Encoder;
use torrent_storage::{ErrorKind, Layout, Operation, Presence, Storage, StorageError, TorrentStorage};

/// Name of the one file.
pub(super) const NAME: &str = "demo.bin";

/// `length` bytes that look random.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    length: u64,
}

impl Payload {
    pub(super) fn new(length: u64) -> Self {
        Self { length }
    }

    /// A .torrent file of it, hashed on all processors.
    pub(super) fn torrent(&self, piece_length: u32, announce: &str) -> Vec<u8> {
        let pieces = self.length.div_ceil(u64::from(piece_length.max(1)));
        let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
        let share = pieces.div_ceil(threads).max(1);
        let hashes: Vec<u8> = thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|worker| {
                    let range = (worker * share).min(pieces)..((worker + 1) * share).min(pieces);
                    scope.spawn(move || self.hash(range, piece_length))
                })
                .collect();
            workers.into_iter().flat_map(|worker| worker.join().expect("hashing does not panic")).collect()
        });
        let mut torrent = Vec::new();
        Encoder::new(&mut torrent).dict(|root| {
            root.put("announce", announce);
            root.dict("info", |info| {
                info.put("length", self.length);
                info.put("name", NAME);
                info.put("piece length", piece_length);
                info.put("pieces", hashes.as_slice());
            });
        });
        torrent
    }

    fn hash(&self, pieces: Range<u64>, piece_length: u32) -> Vec<u8> {
        let mut buffer = vec![0; piece_length as usize];
        let mut hashes = Vec::new();
        for piece in pieces {
            let length = self.fill(piece * u64::from(piece_length), &mut buffer);
            hashes.extend_from_slice(&Sha1::digest(&buffer[..length]));
        }
        hashes
    }

    /// Writes what lies at `offset`; says how much there is.
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let rest = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = rest.min(buffer.len());
        let (mut word, skip) = (offset / 8, usize::try_from(offset % 8).unwrap_or(0));
        let mut target = &mut buffer[..length];
        if skip > 0 {
            let (head, tail) = target.split_at_mut((8 - skip).min(target.len()));
            head.iter_mut().zip(&mix(word).to_le_bytes()[skip..]).for_each(|(to, from)| *to = *from);
            (target, word) = (tail, word + 1);
        }
        for chunk in target.chunks_mut(8) {
            chunk.copy_from_slice(&mix(word).to_le_bytes()[..chunk.len()]);
            word += 1;
        }
        length
    }
}

/// SplitMix64: a number that looks random for each number.
const fn mix(index: u64) -> u64 {
    let z = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Storage for Payload {
    fn open(&self, _layout: &Layout) -> Result<Box<dyn TorrentStorage>, StorageError> {
        Ok(Box::new(self.clone()))
    }
}

impl TorrentStorage for Payload {
    fn write_at(&self, _offset: u64, _parts: &[IoSlice<'_>]) -> Result<(), StorageError> {
        Err(StorageError::new(ErrorKind::PermissionDenied, Operation::Write, NAME))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        Ok(self.fill(offset, buffer))
    }

    fn presence(&self) -> Result<Presence, StorageError> {
        let mut presence = Presence::new();
        presence.push_data(0..self.length);
        Ok(presence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_same_bytes() {
        let payload = Payload::new(1000);
        let mut whole = vec![0; 1000];
        assert_eq!(payload.fill(0, &mut whole), 1000);
        for (offset, length) in [(0, 1), (3, 2), (7, 9), (8, 8), (13, 500), (990, 100)] {
            let mut part = vec![0; length];
            let read = payload.fill(offset as u64, &mut part);
            assert_eq!(part[..read], whole[offset..offset + read], "{offset} {length}");
            assert_eq!(read, length.min(1000 - offset));
        }
    }
}
