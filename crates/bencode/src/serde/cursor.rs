//! Canonical bytes, read one value after the other without tokens: the ordinary part of the way from bytes to types.
//! Spec: BEP 3 § "bencoding". In: the bytes and the limits. Out: strings, integers, spans; or `GaveUp`, for good.
//! Never: errors that say what is wrong, or tolerance. Whoever gives up is followed by tokens, which can do everything.

use alloc::vec::Vec;
use core::mem;

use crate::{Options, tokenizer};

/// Something is not ordinary. That is all there is to say: the error is made from tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct GaveUp;

/// What is left of the input.
pub(super) struct Cursor<'de> {
    /// Nothing, once it gave up.
    rest: &'de [u8],
    /// For good: what a type's own code makes of it changes nothing.
    gave_up: bool,
    /// How many more containers may be opened.
    depth_left: usize,
    tokens_left: usize,
    /// The containers around the one that is being skipped.
    around: Vec<Container<'de>>,
}

/// An open list or dictionary.
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
    pub(super) const fn new(input: &'de [u8], options: &Options) -> Self {
        Self {
            rest: input,
            gave_up: input.len() > options.max_bytes,
            depth_left: options.max_depth,
            tokens_left: options.max_tokens,
            around: Vec::new(),
        }
    }

    /// How many bytes are left: less with everything that is read.
    #[inline]
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next byte.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Whether all was ordinary, and nothing is left but what the options ignore.
    #[inline]
    pub(super) const fn is_done(&self, options: &Options) -> bool {
        !self.gave_up && (options.lenient || self.rest.is_empty())
    }

    #[cold]
    pub(super) const fn give_up<T>(&mut self) -> Result<T, GaveUp> {
        self.rest = &[];
        self.gave_up = true;
        Err(GaveUp)
    }

    /// A string.
    #[inline]
    pub(super) fn string(&mut self) -> Result<&'de [u8], GaveUp> {
        match split_string(self.rest) {
            Some((string, rest)) if self.count_token() => {
                self.rest = rest;
                Ok(string)
            }
            _ => self.give_up(),
        }
    }

    /// A key that may follow the last one; it is the last one from now on.
    #[inline]
    pub(super) fn key(&mut self, last_key: &mut Option<&'de [u8]>) -> Result<&'de [u8], GaveUp> {
        let key = self.string()?;
        match last_key.replace(key) {
            // Mostly the first byte tells.
            Some(last) if last.first() >= key.first() && last >= key => self.give_up(),
            _ => Ok(key),
        }
    }

    /// An integer.
    #[inline]
    pub(super) fn integer(&mut self) -> Result<Integer, GaveUp> {
        match split_integer(self.rest) {
            Some((value, rest)) if self.count_token() => {
                self.rest = rest;
                Ok(value)
            }
            _ => self.give_up(),
        }
    }

    /// The first byte of a list or dictionary: `l` or `d`.
    #[inline]
    pub(super) const fn enter(&mut self, kind: u8) -> Result<(), GaveUp> {
        match (self.rest.split_first(), self.depth_left.checked_sub(1)) {
            (Some((byte, rest)), Some(depth_left)) if *byte == kind && self.count_token() => {
                self.rest = rest;
                self.depth_left = depth_left;
                Ok(())
            }
            _ => self.give_up(),
        }
    }

    /// The last byte of a list or dictionary.
    #[inline]
    pub(super) const fn leave(&mut self) -> Result<(), GaveUp> {
        match self.rest.split_first() {
            Some((b'e', rest)) if self.count_token() => {
                self.rest = rest;
                self.depth_left = self.depth_left.saturating_add(1);
                Ok(())
            }
            _ => self.give_up(),
        }
    }

    /// Any value; the bytes of it.
    #[inline]
    pub(super) fn skip(&mut self) -> Result<&'de [u8], GaveUp> {
        let before = self.rest;
        match self.peek() {
            Some(b'0'..=b'9') => self.string().map(drop)?,
            Some(b'i') => self.integer().map(drop)?,
            _ => self.skip_container()?,
        }
        Ok(before.get(..before.len().saturating_sub(self.rest.len())).unwrap_or_default())
    }

    /// A list or dictionary and all that is in it, without recursion.
    fn skip_container(&mut self) -> Result<(), GaveUp> {
        let mut around = mem::take(&mut self.around);
        let mut container = self.enter_any()?;
        loop {
            if self.peek() == Some(b'e') {
                self.leave()?;
                let Some(outer) = around.pop() else { break };
                container = outer;
                continue;
            }
            if let Container::Dict { last_key } = &mut container {
                self.key(last_key)?;
            }
            match self.peek() {
                Some(b'0'..=b'9') => self.string().map(drop)?,
                Some(b'i') => self.integer().map(drop)?,
                _ => around.push(mem::replace(&mut container, self.enter_any()?)),
            }
        }
        self.around = around;
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

    /// Whether there may be one more.
    #[inline]
    const fn count_token(&mut self) -> bool {
        match self.tokens_left.checked_sub(1) {
            Some(left) => {
                self.tokens_left = left;
                true
            }
            None => false,
        }
    }
}

/// The string that the input begins with, and what follows. Short lengths, which are nearly all, are read in registers.
#[inline]
fn split_string(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match input {
        [length @ b'0'..=b'9', b':', rest @ ..] => (decimal(&[*length]), rest),
        [tens @ b'1'..=b'9', units @ b'0'..=b'9', b':', rest @ ..] => (decimal(&[*tens, *units]), rest),
        _ => {
            let (length, rest) = input.split_at_checked(long_length(input)?)?;
            (decimal(length), rest.get(1..)?)
        }
    };
    rest.split_at_checked(length)
}

/// How many digits the length of a string has, if no more than 8, and no zero in front.
#[inline(never)]
fn long_length(input: &[u8]) -> Option<usize> {
    let digits = input.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
    (input.get(digits) == Some(&b':') && matches!(input, [b'1'..=b'9', ..])).then_some(digits)
}

/// The number that some digits stand for, few enough to fit.
#[inline]
fn decimal(digits: &[u8]) -> usize {
    digits
        .iter()
        .fold(0, |number: usize, digit| number.wrapping_mul(10).wrapping_add(usize::from(digit.wrapping_sub(b'0'))))
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
