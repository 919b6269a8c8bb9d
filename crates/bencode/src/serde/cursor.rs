//! Canonical bytes, read one value after the other without tokens: the ordinary part of the way from bytes to types.
//! Spec: BEP 3 § "bencoding". In: the bytes and the limits. Out: strings, integers, spans; or `GaveUp`, for good.
//! Never: errors that say what is wrong, or tolerance. Whoever gives up is followed by tokens, which can do everything.

use alloc::vec::Vec;
use core::mem;

use crate::{
    Document, Options,
    fast_path::{self, Body},
    tokenizer,
};

/// Something is not ordinary. That is all there is to say: the error is made from tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct GaveUp;

/// A place in the input. The input stays where it is, and one number moves on: what was written last is read next, and two
/// words that are written apart and read together make a processor wait.
pub(super) struct Cursor<'de> {
    /// Nothing, once it gave up.
    input: &'de [u8],
    /// The next byte.
    at: usize,
    /// For good: what a type's own code makes of it changes nothing.
    gave_up: bool,
    /// How many more containers may be opened.
    depth_left: usize,
}

/// An open list or dictionary that is being skipped.
#[derive(Clone, Copy)]
enum Container<'de> {
    List,
    Dict { last_key: Option<&'de [u8]> },
}

/// An integer: as much as bencoding has here.
#[derive(Clone, Copy)]
pub(super) enum Integer {
    Signed(i64),
    /// Larger than `i64::MAX`.
    Unsigned(u64),
}

impl<'de> Cursor<'de> {
    #[inline]
    pub(super) fn new(input: &'de [u8], options: &Options) -> Self {
        let gave_up = input.len() > options.max_bytes || has_too_many_tokens(input, options);
        Self { input: if gave_up { &[] } else { input }, at: 0, gave_up, depth_left: options.max_depth }
    }

    /// Where it stands: further with everything that is read.
    #[inline]
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The next byte.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    /// Whether all was ordinary, and nothing is left but what the options ignore.
    #[inline]
    pub(super) const fn is_done(&self, options: &Options) -> bool {
        !self.gave_up && (options.lenient || self.at == self.input.len())
    }

    #[cold]
    pub(super) const fn give_up<T>(&mut self) -> Result<T, GaveUp> {
        self.stop();
        Err(GaveUp)
    }

    /// Gives up, but lets whoever asked find out for himself: when he asks for more, or in the end.
    #[cold]
    pub(super) const fn stop(&mut self) {
        self.input = &[];
        self.at = 0;
        self.gave_up = true;
    }

    /// A string.
    #[inline]
    pub(super) fn string(&mut self) -> Result<&'de [u8], GaveUp> {
        match self.string_here() {
            Some((string, end)) => {
                self.at = end;
                Ok(string)
            }
            None => self.give_up(),
        }
    }

    #[inline]
    fn string_here(&self) -> Option<(&'de [u8], usize)> {
        let first = self.peek().filter(u8::is_ascii_digit)?;
        let Body { start, end } = fast_path::string_body(self.input, self.at, first)?;
        Some((self.input.get(start..end)?, end))
    }

    /// A key that may follow the last one. Inline, so that its value is read from where it ends without a detour.
    #[inline(always)]
    pub(super) fn key(&mut self, last_key: Option<&'de [u8]>) -> Result<&'de [u8], GaveUp> {
        let key = self.string()?;
        match last_key {
            // Mostly the first byte tells.
            Some(last) if last.first() >= key.first() => self.key_after(last, key),
            _ => Ok(key),
        }
    }

    #[inline(never)]
    fn key_after(&mut self, last: &[u8], key: &'de [u8]) -> Result<&'de [u8], GaveUp> {
        if last < key { Ok(key) } else { self.give_up() }
    }

    /// An integer.
    #[inline]
    pub(super) fn integer(&mut self) -> Result<Integer, GaveUp> {
        match self.input.get(self.at..).and_then(split_integer) {
            Some((value, rest)) => {
                self.at = self.input.len().wrapping_sub(rest.len());
                Ok(value)
            }
            None => self.give_up(),
        }
    }

    /// The first byte of a list or dictionary: `l` or `d`.
    #[inline]
    pub(super) fn enter(&mut self, kind: u8) -> Result<(), GaveUp> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) if self.step(kind) => {
                self.depth_left = depth_left;
                Ok(())
            }
            _ => self.give_up(),
        }
    }

    /// The last byte of a list or dictionary.
    #[inline]
    pub(super) fn leave(&mut self) -> Result<(), GaveUp> {
        if !self.step(b'e') {
            return self.give_up();
        }
        self.depth_left = self.depth_left.wrapping_add(1);
        Ok(())
    }

    /// Past this byte, if it is the next.
    #[inline]
    fn step(&mut self, byte: u8) -> bool {
        let steps = self.peek() == Some(byte);
        if steps {
            self.at = self.at.wrapping_add(1);
        }
        steps
    }

    /// Any value; the bytes of it.
    #[inline]
    pub(super) fn skip(&mut self) -> Result<&'de [u8], GaveUp> {
        let (input, start) = (self.input, self.at);
        match self.peek() {
            Some(b'0'..=b'9') => self.string().map(drop)?,
            Some(b'i') => self.integer().map(drop)?,
            _ => self.skip_container()?,
        }
        Ok(input.get(start..self.at).unwrap_or_default())
    }

    /// A list or dictionary and all that is in it, without recursion.
    fn skip_container(&mut self) -> Result<(), GaveUp> {
        let mut around = Vec::new();
        let mut container = self.enter_any()?;
        loop {
            if self.peek() == Some(b'e') {
                self.leave()?;
                let Some(outer) = around.pop() else { break };
                container = outer;
                continue;
            }
            if let Container::Dict { last_key } = &mut container {
                *last_key = Some(self.key(*last_key)?);
            }
            match self.peek() {
                Some(b'0'..=b'9') => self.string().map(drop)?,
                Some(b'i') => self.integer().map(drop)?,
                _ => around.push(mem::replace(&mut container, self.enter_any()?)),
            }
        }
        Ok(())
    }

    fn enter_any(&mut self) -> Result<Container<'de>, GaveUp> {
        if self.peek() == Some(b'd') {
            self.enter(b'd')?;
            return Ok(Container::Dict { last_key: None });
        }
        self.enter(b'l')?;
        Ok(Container::List)
    }
}

/// Whether there are more tokens than allowed. Each takes a byte at least, so of inputs that are short enough nobody counts them.
#[inline]
fn has_too_many_tokens(input: &[u8], options: &Options) -> bool {
    input.len() > options.max_tokens && has_too_many_tokens_counted(input, options)
}

#[cold]
fn has_too_many_tokens_counted(input: &[u8], options: &Options) -> bool {
    Document::decode_prefix(input, options).is_err()
}

/// The integer that the input begins with, and what follows; if it is canonical.
#[inline]
fn split_integer(input: &[u8]) -> Option<(Integer, &[u8])> {
    let text = input.strip_prefix(b"i")?;
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let negative = digits.len() < text.len();
    let mut value = 0_i64;
    let mut rest = digits;
    while let Some((&digit @ b'0'..=b'9', after)) = rest.split_first() {
        // Where this wraps, it is not used.
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit.wrapping_sub(b'0')));
        rest = after;
    }
    let count = digits.len().saturating_sub(rest.len());
    let rest = rest.strip_prefix(b"e")?;
    match (count, digits.first()) {
        // Just `i0e`.
        (1, Some(b'0')) if negative => None,
        (2.., Some(b'0')) | (0, _) => None,
        (..=tokenizer::SURELY_I64_DIGITS, _) if negative => Some((Integer::Signed(value.wrapping_neg()), rest)),
        (..=tokenizer::SURELY_I64_DIGITS, _) => Some((Integer::Signed(value), rest)),
        _ => Some((long_integer(text, rest)?, rest)),
    }
}

/// The integer between `i` and `e`, if 64 bits hold it.
#[cold]
fn long_integer(text: &[u8], after: &[u8]) -> Option<Integer> {
    let length = text.len().checked_sub(after.len())?.checked_sub(1)?;
    let value = tokenizer::integer(text.get(..length)?)?;
    i64::try_from(value).map(Integer::Signed).or_else(|_| u64::try_from(value).map(Integer::Unsigned)).ok()
}
