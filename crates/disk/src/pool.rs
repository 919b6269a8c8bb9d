//! Memory for extents, used again and again: a fresh page costs more than the copy into it.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

/// Free buffers kept; what is given back beyond that many bytes goes to the allocator.
const KEPT_BYTES: usize = 4 << 20;

/// A store of buffers. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool(Arc<Mutex<Free>>);

#[derive(Debug, Default)]
struct Free {
    buffers: Vec<Vec<u8>>,
    /// Bytes of these.
    kept: usize,
    /// Bytes that are in use.
    used: usize,
}

impl Pool {
    /// A buffer of `length` bytes with anything in it.
    pub(crate) fn take(&self, length: usize) -> Buffer {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Pieces of one torrent have one length: what was given back last fits nearly always.
        let fits = |buffer: &Vec<u8>| buffer.capacity() >= length && buffer.capacity() / 2 <= length;
        let taken = free.buffers.iter().rposition(fits).map(|place| free.buffers.swap_remove(place));
        free.kept = free.kept.saturating_sub(taken.as_ref().map_or(0, Vec::capacity));
        free.used = free.used.saturating_add(length);
        drop(free);
        let mut bytes = taken.unwrap_or_default();
        bytes.resize(length, 0);
        Buffer { bytes, pool: self.clone() }
    }

    /// Bytes of buffers that are in use.
    pub(crate) fn used(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).used
    }
}

/// Bytes that go back to their pool when dropped.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    pool: Pool,
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut free = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.used = free.used.saturating_sub(bytes.len());
        if free.kept.saturating_add(bytes.capacity()) <= KEPT_BYTES {
            free.kept = free.kept.saturating_add(bytes.capacity());
            free.buffers.push(bytes);
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.bytes.len())
    }
}
