//! Canonical bytes, read one value after the other without tokens: the ordinary part of the way from bytes to types.
//! Spec: BEP 3 § "bencoding". In: the bytes and the limits. Out: strings, integers, spans; or `GaveUp`, for good.
//! Never: errors that say what is wrong, or tolerance. Whoever gives up is followed by tokens, which can do everything.

use alloc::vec::Vec;
use core::mem;

use crate::{Options, fast_path, tokenizer};

/// Something is not ordinary. That is all there is to say: the error is made from tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct GaveUp;

/// Where a reader stands in its input.
pub(super) struct Cursor<'de> {
    input: &'de [u8],
    /// The next byte. Behind every input once it gave up: what a type's own code makes of that changes nothing.
    at: usize,
    /// How many more containers may be opened.
    depth_left: usize,
    tokens_left: usize,
    /// The string that was read last.
    last_string: &'de [u8],
    /// The containers around the one that is being skipped.
    around: Vec<Container<'de>>,
}

/// An open list or dictionary.
#[derive(Clone, Copy)]
enum Container<'de> {
    List,
    Dict { last_key: Option<&'de [u8]> },
}

impl<'de> Cursor<'de> {
    const GAVE_UP: usize = usize::MAX;

    #[inline]
    pub(super) fn new(input: &'de [u8], options: &Options) -> Self {
        Self {
            input,
            at: if input.len() > options.max_bytes { Self::GAVE_UP } else { 0 },
            depth_left: options.max_depth,
            tokens_left: options.max_tokens,
            last_string: &[],
            around: Vec::new(),
        }
    }

    /// Where it stands: moves with everything that is read.
    #[inline]
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The next byte.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    /// Whether everything so far was ordinary, and nothing is left but what the options ignore.
    #[inline]
    pub(super) const fn is_done(&self, options: &Options) -> bool {
        self.at == self.input.len() || (options.lenient && self.at < self.input.len())
    }

    #[cold]
    pub(super) const fn give_up<T>(&mut self) -> Result<T, GaveUp> {
        self.at = Self::GAVE_UP;
        Err(GaveUp)
    }

    /// A string.
    #[inline]
    pub(super) fn string(&mut self) -> Result<&'de [u8], GaveUp> {
        match self.peek() {
            Some(digit @ b'0'..=b'9') if self.count_token() => {
                let Some(body) = fast_path::string_body(self.input, self.at, digit) else { return self.give_up() };
                self.at = body.end;
                self.last_string = self.input.get(body.start..body.end).unwrap_or_default();
                Ok(self.last_string)
            }
            _ => self.give_up(),
        }
    }

    /// The string that was read last, if it may follow this key; it is the last one from now on.
    #[inline]
    pub(super) fn follow_key(&mut self, last_key: &mut Option<&'de [u8]>) -> Result<(), GaveUp> {
        let key = self.last_string;
        match last_key.replace(key) {
            Some(last) if last >= key => self.give_up(),
            _ => Ok(()),
        }
    }

    /// An integer.
    #[inline]
    #[expect(clippy::arithmetic_side_effects, reason = "indices of bytes that were there, below 2^32")]
    pub(super) fn integer(&mut self) -> Result<Integer, GaveUp> {
        if self.peek() != Some(b'i') || !self.count_token() {
            return self.give_up();
        }
        let negative = self.input.get(self.at + 1) == Some(&b'-');
        let digits = self.at + 1 + usize::from(negative);
        let (mut end, mut value) = (digits, 0_i64);
        while let Some(&digit @ b'0'..=b'9') = self.input.get(end) {
            // Where this wraps, it is not used.
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            end += 1;
        }
        let value = match (end - digits, self.input.get(digits)) {
            // Just `i0e` is canonical.
            (2.., Some(b'0')) | (0, _) => return self.give_up(),
            (1, Some(b'0')) if negative => return self.give_up(),
            (..=tokenizer::SURELY_I64_DIGITS, _) => Integer::Signed(if negative { -value } else { value }),
            _ => self.long_integer(end)?,
        };
        if self.input.get(end) != Some(&b'e') {
            return self.give_up();
        }
        self.at = end + 1;
        Ok(value)
    }

    /// The integer whose digits reach to `end`, if 64 bits hold it.
    #[cold]
    fn long_integer(&mut self, end: usize) -> Result<Integer, GaveUp> {
        let text = self.input.get(self.at.saturating_add(1)..end).unwrap_or_default();
        match tokenizer::integer(text).map(|value| (i64::try_from(value), u64::try_from(value))) {
            Some((Ok(value), _)) => Ok(Integer::Signed(value)),
            Some((_, Ok(value))) => Ok(Integer::Unsigned(value)),
            _ => self.give_up(),
        }
    }

    /// The first byte of a list or dictionary: `l` or `d`.
    #[inline]
    pub(super) fn enter(&mut self, kind: u8) -> Result<(), GaveUp> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) if self.peek() == Some(kind) && self.count_token() => {
                self.depth_left = depth_left;
                self.at = self.at.saturating_add(1);
                Ok(())
            }
            _ => self.give_up(),
        }
    }

    /// The last byte of a list or dictionary.
    #[inline]
    pub(super) fn leave(&mut self) -> Result<(), GaveUp> {
        if self.peek() != Some(b'e') || !self.count_token() {
            return self.give_up();
        }
        self.depth_left = self.depth_left.saturating_add(1);
        self.at = self.at.saturating_add(1);
        Ok(())
    }

    /// Any value; the bytes of it.
    #[inline]
    pub(super) fn skip(&mut self) -> Result<&'de [u8], GaveUp> {
        let start = self.at;
        match self.peek() {
            Some(b'0'..=b'9') => self.string().map(drop)?,
            Some(b'i') => self.integer().map(drop)?,
            _ => self.skip_container()?,
        }
        Ok(self.input.get(start..self.at).unwrap_or_default())
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
                self.string()?;
                self.follow_key(last_key)?;
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

/// An integer: as much as bencoding has here.
#[derive(Clone, Copy)]
pub(super) enum Integer {
    Signed(i64),
    /// Larger than `i64::MAX`.
    Unsigned(u64),
}
