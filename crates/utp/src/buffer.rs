//! A queue of bytes in chunks of one size.
//! In: slices. Out: copies of ranges, or bytes from the front. It grows and shrinks without moving what it holds, and an empty
//! one that is let rest owns no memory.

use std::collections::VecDeque;

/// Bytes of a chunk.
const CHUNK: usize = 16 * 1024;
/// Chunks that are kept for reuse, so that a steady stream does not allocate.
const SPARE: usize = 8;

/// Bytes, first in, first out.
#[derive(Debug, Default)]
pub(crate) struct ByteQueue {
    /// All are full except the last.
    chunks: VecDeque<Vec<u8>>,
    /// Bytes of the first chunk that are gone.
    head: usize,
    len: usize,
    spare: Vec<Vec<u8>>,
}

impl ByteQueue {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        self.len = self.len.saturating_add(bytes.len());
        while !bytes.is_empty() {
            if self.chunks.back().is_none_or(|chunk| chunk.len() == CHUNK) {
                self.chunks.push_back(self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK)));
            }
            let Some(chunk) = self.chunks.back_mut() else { return };
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK.saturating_sub(chunk.len())));
            chunk.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Appends `len` bytes from `offset` on to `out`; fewer if there are fewer.
    pub(crate) fn copy_to(&self, offset: usize, len: usize, out: &mut Vec<u8>) {
        let mut at = self.head.saturating_add(offset);
        let mut left = len;
        while left > 0 {
            let chunk = self.chunks.get(at / CHUNK).and_then(|chunk| chunk.get(at % CHUNK..)).unwrap_or_default();
            if chunk.is_empty() {
                return;
            }
            let part = chunk.get(..left).unwrap_or(chunk);
            out.extend_from_slice(part);
            at = at.saturating_add(part.len());
            left = left.saturating_sub(part.len());
        }
    }

    /// Forgets `count` bytes at the front.
    pub(crate) fn discard(&mut self, count: usize) {
        let count = count.min(self.len);
        self.len = self.len.saturating_sub(count);
        self.head = self.head.saturating_add(count);
        while self.head >= CHUNK {
            self.head = self.head.saturating_sub(CHUNK);
            self.retire();
        }
        if self.len == 0 {
            self.head = 0;
            self.retire();
        }
    }

    /// Moves bytes from the front into `out`. Returns how many.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> usize {
        let mut filled = 0;
        while let Some(room) = out.get_mut(filled..).filter(|room| !room.is_empty()) {
            let chunk = self.chunks.front().and_then(|chunk| chunk.get(self.head..)).unwrap_or_default();
            let count = chunk.len().min(room.len());
            if count == 0 {
                break;
            }
            if let (Some(to), Some(from)) = (room.get_mut(..count), chunk.get(..count)) {
                to.copy_from_slice(from);
            }
            filled = filled.saturating_add(count);
            self.discard(count);
        }
        filled
    }

    /// Gives unused memory back.
    pub(crate) fn shrink(&mut self) {
        self.spare = Vec::new();
        if self.len == 0 {
            self.chunks = VecDeque::new();
            self.head = 0;
        }
    }

    fn retire(&mut self) {
        if let Some(mut chunk) = self.chunks.pop_front()
            && self.spare.len() < SPARE
        {
            chunk.clear();
            self.spare.push(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_queue(ops in prop::collection::vec((0_u8..4, 0_usize..40_000), 1..40)) {
            let mut queue = ByteQueue::default();
            let mut model = VecDeque::new();
            let mut next = 0_u8;
            for (op, size) in ops {
                match op {
                    0 | 1 => {
                        let bytes: Vec<u8> = (0..size).map(|_| { next = next.wrapping_mul(31).wrapping_add(7); next }).collect();
                        queue.push(&bytes);
                        model.extend(bytes);
                    }
                    2 => {
                        let mut out = vec![0; size];
                        let count = queue.read(&mut out);
                        prop_assert_eq!(count, size.min(model.len()));
                        prop_assert!(model.drain(..count).eq(out[..count].iter().copied()));
                    }
                    _ => {
                        let (offset, mut out) = (size / 2, Vec::new());
                        queue.copy_to(offset, size, &mut out);
                        prop_assert!(model.iter().skip(offset).take(size).eq(out.iter()));
                        queue.discard(size / 3);
                        model.drain(..(size / 3).min(model.len()));
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
            }
            queue.discard(usize::MAX);
            queue.shrink();
            prop_assert!(queue.is_empty() && queue.chunks.capacity() == 0);
        }
    }
}
