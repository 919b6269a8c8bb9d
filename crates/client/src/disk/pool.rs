//! Memory for pieces, used again and again: a fresh page costs more than the copy into it.

use std::sync::{Arc, Mutex, PoisonError};

/// Free buffers kept; what is given back beyond that many bytes goes to the allocator.
const KEPT_BYTES: usize = 4 << 20;

/// A store of buffers for pieces. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    free: Arc<Mutex<Free>>,
}

#[derive(Debug, Default)]
struct Free {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Pool {
    /// A buffer of `length` bytes with anything in it.
    pub(crate) fn take(&self, length: usize) -> Vec<u8> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        // Pieces of one torrent have one length: what was given back last fits nearly always.
        let fitting =
            free.buffers.iter().rposition(|buffer| buffer.capacity() >= length && buffer.capacity() / 2 <= length);
        let taken = fitting.map(|place| free.buffers.swap_remove(place));
        free.bytes -= taken.as_ref().map_or(0, Vec::capacity);
        drop(free);
        let mut buffer = taken.unwrap_or_default();
        buffer.resize(length, 0);
        buffer
    }

    pub(crate) fn give(&self, buffer: Vec<u8>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.bytes + buffer.capacity() <= KEPT_BYTES {
            free.bytes += buffer.capacity();
            free.buffers.push(buffer);
        }
    }
}
