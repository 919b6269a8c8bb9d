//! Values to bytes, canonical by construction: a dictionary sorts its keys when it closes, and nothing can be left open.
//! Spec: BEP 3 § "bencoding": "keys must be strings and appear in sorted order (sorted as raw strings)".

use alloc::{string::String, vec::Vec};
use core::ops::Range;

use crate::{RawValue, RawValueBuf};

/// What can be written as one value.
///
/// ```
/// use torrent_bencode::{Encode, Encoder};
///
/// struct Ping<'a> { id: &'a [u8; 20], transaction: &'a [u8] }
///
/// impl Encode for Ping<'_> {
///     fn encode(&self, encoder: Encoder<'_>) {
///         encoder.dict(|message| {
///             message.put("t", self.transaction);
///             message.put("y", "q");
///             message.put("q", "ping");
///             message.dict("a", |arguments| arguments.put("id", self.id));
///         });
///     }
/// }
///
/// let ping = Ping { id: b"abcdefghij0123456789", transaction: b"aa" };
/// assert_eq!(Encoder::to_vec(&ping), b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe");
/// ```
pub trait Encode {
    /// Writes the value. One that writes nothing, as `None` does, leaves its entry out of the dictionary or list.
    fn encode(&self, encoder: Encoder<'_>);
}

/// A place for one value at the end of a buffer.
#[derive(Debug)]
pub struct Encoder<'b> {
    out: &'b mut Vec<u8>,
}

impl<'b> Encoder<'b> {
    /// Writes behind what the buffer already holds.
    #[must_use]
    pub const fn new(out: &'b mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Encodes into a buffer of its own.
    #[must_use]
    pub fn to_vec(value: &(impl Encode + ?Sized)) -> Vec<u8> {
        let mut out = Vec::new();
        value.encode(Encoder::new(&mut out));
        out
    }

    /// Writes an integer. Beyond `u64` and `i64` few decoders will read it; [`Document`](crate::Document) will not.
    pub fn int(self, value: impl Into<i128>) {
        let value = value.into();
        self.out.push(b'i');
        if value < 0 {
            self.out.push(b'-');
        }
        write_decimal(self.out, value.unsigned_abs());
        self.out.push(b'e');
    }

    /// Writes a string.
    pub fn bytes(self, bytes: impl AsRef<[u8]>) {
        write_string(self.out, bytes.as_ref());
    }

    /// Writes a value that is already encoded, byte for byte.
    pub fn raw(self, value: RawValue<'_>) {
        self.out.extend_from_slice(value.as_bytes());
    }

    /// Writes a list, and returns what the closure does.
    pub fn list<R>(self, fill: impl FnOnce(&mut ListEncoder<'_>) -> R) -> R {
        self.out.push(b'l');
        let result = fill(&mut ListEncoder { out: self.out });
        self.out.push(b'e');
        result
    }

    /// Writes a dictionary, and returns what the closure does. Keys may be put in any order.
    pub fn dict<R>(self, fill: impl FnOnce(&mut DictEncoder<'_>) -> R) -> R {
        let entries = Entries::begin(self.out);
        let mut dict = DictEncoder { out: self.out, entries };
        let result = fill(&mut dict);
        dict.entries.end(dict.out);
        result
    }
}

/// A list that is being written.
#[derive(Debug)]
pub struct ListEncoder<'b> {
    out: &'b mut Vec<u8>,
}

impl ListEncoder<'_> {
    /// Appends a value.
    pub fn put(&mut self, value: impl Encode) {
        value.encode(Encoder::new(self.out));
    }

    /// Appends a list.
    pub fn list<R>(&mut self, fill: impl FnOnce(&mut ListEncoder<'_>) -> R) -> R {
        Encoder::new(self.out).list(fill)
    }

    /// Appends a dictionary.
    pub fn dict<R>(&mut self, fill: impl FnOnce(&mut DictEncoder<'_>) -> R) -> R {
        Encoder::new(self.out).dict(fill)
    }
}

/// A dictionary that is being written.
///
/// Sorted keys cost nothing. If one comes too late, the entries are moved when the dictionary closes; of a key that was put
/// twice, the last stays.
#[derive(Debug)]
pub struct DictEncoder<'b> {
    out: &'b mut Vec<u8>,
    entries: Entries,
}

impl DictEncoder<'_> {
    /// Writes an entry.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl Encode) {
        self.entry(key.as_ref(), |encoder| value.encode(encoder));
    }

    /// Writes an entry that is a list.
    pub fn list<R>(&mut self, key: impl AsRef<[u8]>, fill: impl FnOnce(&mut ListEncoder<'_>) -> R) -> R {
        self.entry(key.as_ref(), |encoder| encoder.list(fill))
    }

    /// Writes an entry that is a dictionary.
    pub fn dict<R>(&mut self, key: impl AsRef<[u8]>, fill: impl FnOnce(&mut DictEncoder<'_>) -> R) -> R {
        self.entry(key.as_ref(), |encoder| encoder.dict(fill))
    }

    fn entry<R>(&mut self, key: &[u8], write: impl FnOnce(Encoder<'_>) -> R) -> R {
        let before = self.out.len();
        write_string(self.out, key);
        let body = self.out.len();
        let result = write(Encoder::new(self.out));
        self.entries.add(self.out, before, body.saturating_sub(key.len())..body);
        result
    }
}

/// What is known of the entries of a dictionary that is being written.
#[derive(Debug)]
pub(crate) struct Entries {
    start: usize,
    last_key: Option<Range<usize>>,
    sorted: bool,
}

impl Entries {
    pub(crate) fn begin(out: &mut Vec<u8>) -> Self {
        out.push(b'd');
        Self { start: out.len(), last_key: None, sorted: true }
    }

    /// An entry has been written from `before` on, its key's bytes at `key`. Without a value it is taken back.
    pub(crate) fn add(&mut self, out: &mut Vec<u8>, before: usize, key: Range<usize>) {
        if out.len() == key.end {
            out.truncate(before);
            return;
        }
        if let Some(last) = &self.last_key {
            self.sorted &= out.get(last.clone()) < out.get(key.clone());
        }
        self.last_key = Some(key);
    }

    pub(crate) fn end(&self, out: &mut Vec<u8>) {
        if !self.sorted {
            sort(out, self.start);
        }
        out.push(b'e');
    }
}

/// Puts the entries from `start` on into order. All of this was written by us: one entry follows the other.
#[cold]
fn sort(out: &mut Vec<u8>, start: usize) {
    let written = out.split_off(start);
    let mut rest = &written[..];
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let Some((key, after_key)) = split_string(rest) else { break };
        let Some(after) = after_value(after_key) else { break };
        let (entry, after) = rest.split_at(rest.len().saturating_sub(after.len()));
        entries.push((key, entry));
        rest = after;
    }
    // Stable: of equal keys, the last put comes last.
    entries.sort_by_key(|&(key, _)| key);
    for (position, (key, entry)) in entries.iter().enumerate() {
        if entries.get(position.saturating_add(1)).is_none_or(|(next, _)| next != key) {
            out.extend_from_slice(entry);
        }
    }
}

/// The string that the bytes begin with, and what follows it.
fn split_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = bytes.iter().position(|&byte| byte == b':')?;
    let length = core::str::from_utf8(bytes.get(..colon)?).ok()?.parse().ok()?;
    bytes.get(colon.checked_add(1)?..)?.split_at_checked(length)
}

/// What follows the value that the bytes begin with.
fn after_value(mut bytes: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_usize;
    loop {
        bytes = match bytes {
            [b'l' | b'd', rest @ ..] => {
                depth = depth.checked_add(1)?;
                rest
            }
            [b'e', rest @ ..] => {
                depth = depth.checked_sub(1)?;
                rest
            }
            [b'i', rest @ ..] => rest.get(rest.iter().position(|&byte| byte == b'e')?.checked_add(1)?..)?,
            string => split_string(string)?.1,
        };
        if depth == 0 {
            return Some(bytes);
        }
    }
}

pub(crate) fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    write_decimal(out, bytes.len() as u128);
    out.push(b':');
    out.extend_from_slice(bytes);
}

fn write_decimal(out: &mut Vec<u8>, value: u128) {
    let mut digits = [0; 39];
    let mut unused = &mut digits[..];
    let mut push = |digit: u8| {
        if let Some((last, rest)) = core::mem::take(&mut unused).split_last_mut() {
            *last = b'0'.wrapping_add(digit);
            unused = rest;
        }
    };
    // Nearly all numbers fit 64 bits, where division is cheap.
    let mut large = value;
    let mut small = loop {
        match u64::try_from(large) {
            Ok(small) => break small,
            Err(_) => push(digit(large % 10)),
        }
        large /= 10;
    };
    loop {
        push(digit(u128::from(small % 10)));
        small /= 10;
        if small == 0 {
            break;
        }
    }
    let unused = unused.len();
    out.extend_from_slice(digits.get(unused..).unwrap_or_default());
}

#[expect(clippy::cast_possible_truncation, reason = "a remainder of 10")]
const fn digit(remainder: u128) -> u8 {
    remainder as u8
}

macro_rules! encode_integer {
    ($($integer:ty)*) => {$(
        impl Encode for $integer {
            fn encode(&self, encoder: Encoder<'_>) {
                encoder.int(*self);
            }
        }
    )*};
}

encode_integer!(i8 i16 i32 i64 i128 u8 u16 u32 u64);

impl Encode for usize {
    fn encode(&self, encoder: Encoder<'_>) {
        encoder.int(*self as u64);
    }
}

impl Encode for [u8] {
    fn encode(&self, encoder: Encoder<'_>) {
        encoder.bytes(self);
    }
}

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, encoder: Encoder<'_>) {
        encoder.bytes(self);
    }
}

impl Encode for Vec<u8> {
    fn encode(&self, encoder: Encoder<'_>) {
        encoder.bytes(self);
    }
}

impl Encode for str {
    fn encode(&self, encoder: Encoder<'_>) {
        encoder.bytes(self);
    }
}

impl Encode for String {
    fn encode(&self, encoder: Encoder<'_>) {
        encoder.bytes(self);
    }
}

impl Encode for RawValue<'_> {
    fn encode(&self, encoder: Encoder<'_>) {
        encoder.raw(*self);
    }
}

impl Encode for RawValueBuf {
    fn encode(&self, encoder: Encoder<'_>) {
        encoder.raw(self.borrow());
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    fn encode(&self, encoder: Encoder<'_>) {
        (**self).encode(encoder);
    }
}

/// `None` is left out.
impl<T: Encode> Encode for Option<T> {
    fn encode(&self, encoder: Encoder<'_>) {
        if let Some(value) = self {
            value.encode(encoder);
        }
    }
}
