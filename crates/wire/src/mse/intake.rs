//! Taking fields of fixed size, paddings and the synchronisation mark from a stream that comes in chunks of any size.
//! `input` is a cursor: each of them takes what is its own off the front. Never: keeping more than one field.

use super::{Error, MAX_PAD};

/// Takes the next byte off the input.
fn take(input: &mut &[u8]) -> Option<u8> {
    let (&byte, rest) = input.split_first()?;
    *input = rest;
    Some(byte)
}

/// A field of `N` bytes.
pub(super) struct Field<const N: usize> {
    bytes: [u8; N],
    filled: usize,
}

impl<const N: usize> Field<N> {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; N], filled: 0 }
    }

    /// The field, as soon as it is whole.
    pub(super) fn take(&mut self, input: &mut &[u8]) -> Option<[u8; N]> {
        for slot in self.bytes.iter_mut().skip(self.filled) {
            *slot = take(input)?;
            self.filled = self.filled.saturating_add(1);
        }
        Some(self.bytes)
    }
}

/// Bytes to be passed over.
pub(super) struct Pad {
    left: u16,
}

impl Pad {
    /// MSE § "PadC, PadD": up to 512 bytes.
    pub(super) fn new(length: u16) -> Result<Self, Error> {
        if usize::from(length) > MAX_PAD { Err(Error::PadTooLong { length }) } else { Ok(Self { left: length }) }
    }

    /// Whether all of it has been passed over.
    pub(super) fn skip(&mut self, input: &mut &[u8]) -> bool {
        while self.left > 0 && take(input).is_some() {
            self.left = self.left.saturating_sub(1);
        }
        self.left == 0
    }
}

/// A mark of `N` bytes behind a padding of unknown length. MSE § "synchronisation point".
pub(super) struct Mark<const N: usize> {
    mark: [u8; N],
    /// The last bytes seen, the latest at the end.
    tail: [u8; N],
    seen: usize,
}

impl<const N: usize> Mark<N> {
    pub(super) const fn new(mark: [u8; N]) -> Self {
        Self { mark, tail: [0; N], seen: 0 }
    }

    /// Whether the mark has been found, and taken off the input. Fails where the longest padding would have ended.
    pub(super) fn find(&mut self, input: &mut &[u8]) -> Result<bool, Error> {
        while let Some(byte) = take(input) {
            self.tail.rotate_left(1);
            if let Some(last) = self.tail.last_mut() {
                *last = byte;
            }
            self.seen = self.seen.saturating_add(1);
            if self.seen >= N && self.tail == self.mark {
                return Ok(true);
            }
            if self.seen >= MAX_PAD.saturating_add(N) {
                return Err(Error::SyncNotFound);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_behind_the_longest_padding_and_not_behind_more() {
        for pad in [0, 1, 7, MAX_PAD - 1, MAX_PAD] {
            // The padding looks like the beginning of the mark.
            let mut stream = vec![0; pad];
            stream.extend_from_slice(b"\0\0markrest");
            let mut input = &stream[..];
            assert_eq!(Mark::new(*b"\0\0mark").find(&mut input), Ok(true), "{pad}");
            assert_eq!(input, b"rest");
        }
        let mut stream = vec![1; MAX_PAD + 1];
        stream.extend_from_slice(b"mark");
        assert_eq!(Mark::new(*b"mark").find(&mut &stream[..]), Err(Error::SyncNotFound));
    }

    #[test]
    fn an_all_zero_mark_is_not_found_before_its_bytes_came() {
        let mut mark = Mark::new([0; 8]);
        assert_eq!(mark.find(&mut &[0; 7][..]), Ok(false));
        assert_eq!(mark.find(&mut &[0; 1][..]), Ok(true));
    }

    #[test]
    fn pads_longer_than_the_spec_allows_are_refused() {
        assert!(Pad::new(512).is_ok());
        assert_eq!(Pad::new(513).err(), Some(Error::PadTooLong { length: 513 }));
    }
}
