//! Handing out a list of byte slices bit by bit, cut where files end. Copies no bytes.

use std::io::IoSlice;

/// What is left of a list of slices.
pub(crate) struct Gather<'a> {
    parts: std::slice::Iter<'a, IoSlice<'a>>,
    /// The rest of the slice that was cut last.
    rest: &'a [u8],
}

impl<'a> Gather<'a> {
    pub(crate) fn new(parts: &'a [IoSlice<'a>]) -> Self {
        Self { parts: parts.iter(), rest: &[] }
    }

    /// The next `length` bytes, or all if fewer are left. No slice is empty.
    pub(crate) fn take(&mut self, length: u64) -> Vec<IoSlice<'a>> {
        let mut wanted = usize::try_from(length).unwrap_or(usize::MAX);
        let mut taken = Vec::with_capacity(self.parts.len().saturating_add(1));
        while wanted > 0 {
            if self.rest.is_empty() {
                match self.parts.next() {
                    Some(part) => self.rest = part,
                    None => break,
                }
            }
            let (head, rest) = self.rest.split_at(wanted.min(self.rest.len()));
            self.rest = rest;
            wanted = wanted.saturating_sub(head.len());
            if !head.is_empty() {
                taken.push(IoSlice::new(head));
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_cut_where_asked_and_none_is_empty() {
        let parts = [&b"ab"[..], b"", b"cdef", b"g"].map(IoSlice::new);
        let mut gather = Gather::new(&parts);
        let flat = |taken: Vec<IoSlice<'_>>| taken.iter().map(|part| part.to_vec()).collect::<Vec<_>>();
        assert_eq!(flat(gather.take(3)), [b"ab".to_vec(), b"c".to_vec()]);
        assert_eq!(flat(gather.take(0)), [[0; 0]; 0]);
        assert_eq!(flat(gather.take(9)), [b"def".to_vec(), b"g".to_vec()]);
    }
}
