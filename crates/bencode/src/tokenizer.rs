//! Bytes to tokens, in one pass without recursion and without a stack: an open container's token holds the index of its
//! parent until it is closed. Spec: BEP 3 § "bencoding". In: all the bytes. Out: tokens, warnings, or a fault.
//! Never: values of integers, UTF-8 (see `node`).

use alloc::vec::Vec;
use core::{cmp::Ordering, mem};

use crate::{
    Error, ErrorKind, Options, Path, Warning, WarningKind,
    fast_path::{self, State, count_digits, narrow},
    token::{Tag, Token},
};

/// Digits and colon of a length. 20 digits are more than 64 bits can count.
const MAX_LENGTH_PREFIX: usize = 21;

/// So many digits fit an `i64`, whatever they are.
pub(crate) const SURELY_I64_DIGITS: usize = 18;

/// The reusable part of a decoder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    /// The first `count` are those of the last input; the rest is memory for the next one.
    buffer: Vec<Token>,
    count: usize,
    warnings: Vec<Warning>,
}

impl Tokens {
    /// Replaces what is here by the tokens of the first value of `input`. Whatever follows it is not looked at.
    pub(crate) fn read(&mut self, input: &[u8], options: &Options) -> Result<(), Error> {
        self.read_with(input, options, fast_path::read)
    }

    /// As `read`, without the fast path: must give the same.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn read_slowly(&mut self, input: &[u8], options: &Options) -> Result<(), Error> {
        self.read_with(input, options, |_, _, _| ())
    }

    #[inline(always)]
    fn read_with(
        &mut self,
        input: &[u8],
        options: &Options,
        fast_path: impl Fn(&[u8], &mut [Token], &mut State),
    ) -> Result<(), Error> {
        self.count = 0;
        self.warnings.clear();
        if input.len() > options.max_bytes {
            return Err(Error::new(ErrorKind::InputTooLong, options.max_bytes, Path::root()));
        }
        if self.buffer.is_empty() {
            self.buffer.resize(expected_tokens(input.len()), Token::END);
        }
        // As long as the limit allows, and no longer: then a full buffer is all there is to check.
        self.buffer.truncate(options.max_tokens);
        let mut tokenizer = Tokenizer {
            input,
            options,
            tokens: mem::take(&mut self.buffer),
            warnings: &mut self.warnings,
            state: State { depth_left: options.max_depth, ..State::default() },
        };
        let result = tokenizer.run(fast_path);
        let Tokenizer { tokens, state, .. } = tokenizer;
        self.buffer = tokens;
        self.count = state.count;
        if result.is_ok() {
            // Gives the last item its end. The limit does not count it.
            let end = Token::new(Tag::End, narrow(state.at), 0);
            match self.buffer.get_mut(state.count) {
                Some(slot) => *slot = end,
                None => self.buffer.push(end),
            }
            self.count = state.count.saturating_add(1);
        }
        // Repeated keys are found late.
        self.warnings.sort_by_key(Warning::offset);
        result.map_err(|Fault { kind, offset }| {
            let open = (state.count > 0).then_some(state.open);
            Error::new(kind, offset, Path::to_open(input, self.as_slice(), open))
        })
    }

    /// All items, and an end.
    pub(crate) fn as_slice(&self) -> &[Token] {
        self.buffer.get(..self.count).unwrap_or_default()
    }

    /// What was tolerated, by offset.
    pub(crate) fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Where the first value ends.
    pub(crate) fn end(&self) -> usize {
        self.as_slice().last().map_or(0, |end| end.start())
    }

    /// Complains about bytes after the first value.
    pub(crate) fn finish(&mut self, input: &[u8], options: &Options) -> Result<(), Error> {
        let end = self.end();
        if end == input.len() {
            return Ok(());
        }
        if !options.lenient {
            return Err(Error::new(ErrorKind::TrailingBytes, end, Path::root()));
        }
        warn(&mut self.warnings, WarningKind::TrailingBytes, end);
        Ok(())
    }
}

/// Enough for most packets and torrents to be read without growing, and never much: most bytes are piece hashes.
fn expected_tokens(input_length: usize) -> usize {
    (input_length / 8).clamp(32, 512)
}

fn warn(warnings: &mut Vec<Warning>, kind: WarningKind, offset: usize) {
    if warnings.len() < Warning::MAX_KEPT {
        warnings.push(Warning::new(kind, narrow(offset)));
    }
}

/// An error without its path, which costs an allocation and is added only at the end.
struct Fault {
    kind: ErrorKind,
    offset: usize,
}

const fn fault<T>(kind: ErrorKind, offset: usize) -> Result<T, Fault> {
    Err(Fault { kind, offset })
}

struct Tokenizer<'a> {
    input: &'a [u8],
    options: &'a Options,
    tokens: Vec<Token>,
    warnings: &'a mut Vec<Warning>,
    state: State,
}

impl Tokenizer<'_> {
    /// Reads one value.
    #[inline(always)]
    fn run(&mut self, fast_path: impl Fn(&[u8], &mut [Token], &mut State)) -> Result<(), Fault> {
        self.step()?;
        while !self.is_complete() {
            fast_path(self.input, &mut self.tokens, &mut self.state);
            self.step()?;
        }
        Ok(())
    }

    /// Whether the root is closed: nothing else can be the parent of itself.
    fn is_complete(&self) -> bool {
        self.tokens.first().is_some_and(|root| match root.tag() {
            Tag::List | Tag::Dict | Tag::UnsortedDict => root.extent() == self.state.count,
            Tag::Int | Tag::Bytes | Tag::End => true,
        })
    }

    /// Reads one token, whatever it is.
    fn step(&mut self) -> Result<(), Fault> {
        let State { at, in_dict, want_key, .. } = self.state;
        match self.input.get(at) {
            Some(&digit @ b'0'..=b'9') => {
                let (body, end) = self.string(at, digit)?;
                if want_key {
                    self.check_key(at, body, end)?;
                }
                self.push(Tag::Bytes, at, body.saturating_sub(at))?;
                self.state.want_key = in_dict && !want_key;
                self.state.at = end;
            }
            Some(b'e') if in_dict && !want_key => return fault(ErrorKind::MissingValue, at),
            Some(b'e') if self.state.count > 0 => self.close(at)?,
            Some(_) if want_key => return fault(ErrorKind::KeyNotString, at),
            Some(b'i') => {
                self.state.at = self.integer(at)?;
                self.push(Tag::Int, at, 0)?;
                self.state.want_key = in_dict;
            }
            Some(b'd') => self.open(Tag::Dict, at)?,
            Some(b'l') => self.open(Tag::List, at)?,
            Some(&byte) => return fault(ErrorKind::UnexpectedByte(byte), at),
            None => return fault(ErrorKind::UnexpectedEnd, at),
        }
        Ok(())
    }

    fn push(&mut self, tag: Tag, at: usize, extent: usize) -> Result<(), Fault> {
        let length = self.tokens.len();
        if self.state.count >= length {
            let more = length.max(32).saturating_mul(2).min(self.options.max_tokens);
            self.tokens.resize(more, Token::END);
        }
        let Some(slot) = self.tokens.get_mut(self.state.count) else { return fault(ErrorKind::TokenLimit, at) };
        *slot = Token::new(tag, narrow(at), narrow(extent));
        self.state.count = self.state.count.saturating_add(1);
        Ok(())
    }

    fn open(&mut self, tag: Tag, at: usize) -> Result<(), Fault> {
        let Some(depth_left) = self.state.depth_left.checked_sub(1) else { return fault(ErrorKind::DepthLimit, at) };
        let index = self.state.count;
        self.push(tag, at, self.state.open)?;
        self.state.open = index;
        self.state.in_dict = tag == Tag::Dict;
        self.state.want_key = tag == Tag::Dict;
        self.state.depth_left = depth_left;
        self.state.last_head = 0;
        self.state.at = at.saturating_add(1);
        Ok(())
    }

    fn close(&mut self, at: usize) -> Result<(), Fault> {
        self.push(Tag::End, at, 0)?;
        let open = self.state.open;
        let Some(token) = self.tokens.get_mut(open) else { return Ok(()) };
        self.state.open = token.extent();
        token.set_extent(narrow(self.state.count.saturating_sub(open)));
        if token.tag() == Tag::UnsortedDict {
            find_duplicates(self.input, &self.tokens, open, self.warnings);
        }
        self.state.in_dict = self.tokens.get(self.state.open).is_some_and(|parent| parent.is_dict());
        self.state.want_key = self.state.in_dict;
        self.state.depth_left = self.state.depth_left.saturating_add(1);
        self.state.last_head = State::UNKNOWN;
        self.state.closed = open;
        self.state.at = at.saturating_add(1);
        Ok(())
    }

    /// Where the bytes of the string at `at` begin and end; `first` is its first byte, a digit.
    #[expect(clippy::arithmetic_side_effects, reason = "`length` never passes the length of the input, below 2^32")]
    fn string(&mut self, at: usize, first: u8) -> Result<(usize, usize), Fault> {
        let mut body = at + 1;
        let mut length = u64::from(first - b'0');
        loop {
            match self.input.get(body) {
                Some(b':') => break,
                Some(&digit @ b'0'..=b'9') => length = length * 10 + u64::from(digit - b'0'),
                Some(_) => return fault(ErrorKind::InvalidLength, body),
                None => return fault(ErrorKind::UnexpectedEnd, body),
            }
            if length > self.input.len() as u64 {
                return fault(ErrorKind::StringTooLong, at);
            }
            body += 1;
        }
        if first == b'0' && body - at > 1 {
            if body - at >= MAX_LENGTH_PREFIX {
                return fault(ErrorKind::InvalidLength, at);
            }
            self.tolerate(WarningKind::LeadingZero, at)?;
        }
        body += 1;
        match usize::try_from(length) {
            Ok(length) if length <= self.input.len() - body => Ok((body, body + length)),
            _ => fault(ErrorKind::StringTooLong, at),
        }
    }

    /// The keys of a dictionary are sorted, and none occurs twice.
    fn check_key(&mut self, at: usize, body: usize, end: usize) -> Result<(), Fault> {
        let key = self.input.get(body..end).unwrap_or_default();
        let order = self.last_key().map_or(Ordering::Greater, |last| key.cmp(last));
        match order {
            Ordering::Greater => {}
            Ordering::Equal if self.options.lenient => self.mark_unsorted(),
            Ordering::Equal => return fault(ErrorKind::DuplicateKey, at),
            Ordering::Less => {
                self.tolerate(WarningKind::UnsortedKey, at)?;
                self.mark_unsorted();
            }
        }
        self.state.last_head = fast_path::head(self.input, body, end);
        Ok(())
    }

    /// The key in front of the one that is next.
    fn last_key(&self) -> Option<&[u8]> {
        let last = self.state.count.checked_sub(1).filter(|&last| last != self.state.open)?;
        let value = if self.tokens.get(last)?.tag() == Tag::End { self.state.closed } else { last };
        let [key, value] = self.tokens.get(value.checked_sub(1)?..=value)? else { return None };
        self.input.get(key.start().saturating_add(key.extent())..value.start())
    }

    /// Keys that occur twice may lie apart: they are looked for when the dictionary is complete.
    fn mark_unsorted(&mut self) {
        if let Some(token) = self.tokens.get_mut(self.state.open) {
            token.set_tag(Tag::UnsortedDict);
        }
    }

    /// What follows the integer at `at`.
    #[expect(clippy::arithmetic_side_effects, reason = "indices of bytes that were there, below 2^32")]
    fn integer(&mut self, at: usize) -> Result<usize, Fault> {
        let negative = self.input.get(at + 1) == Some(&b'-');
        let digits = at + 1 + usize::from(negative);
        let count = count_digits(self.input.get(digits..).unwrap_or_default());
        let end = digits + count;
        match self.input.get(end) {
            Some(b'e') if count > 0 => {}
            Some(_) => return fault(ErrorKind::InvalidInteger, at),
            None => return fault(ErrorKind::UnexpectedEnd, end),
        }
        if self.input.get(digits) == Some(&b'0') && count > 1 {
            self.tolerate(WarningKind::LeadingZero, at)?;
        } else if self.input.get(digits) == Some(&b'0') && negative {
            self.tolerate(WarningKind::NegativeZero, at)?;
        }
        match integer(self.input.get(at + 1..end).unwrap_or_default()) {
            Some(_) => Ok(end + 1),
            None => fault(ErrorKind::IntegerOutOfRange, at),
        }
    }

    fn tolerate(&mut self, kind: WarningKind, at: usize) -> Result<(), Fault> {
        if self.options.lenient {
            warn(self.warnings, kind, at);
            return Ok(());
        }
        fault(
            match kind {
                WarningKind::DuplicateKey => ErrorKind::DuplicateKey,
                WarningKind::LeadingZero => ErrorKind::LeadingZero,
                WarningKind::NegativeZero => ErrorKind::NegativeZero,
                WarningKind::TrailingBytes => ErrorKind::TrailingBytes,
                WarningKind::UnsortedKey => ErrorKind::UnsortedKey,
            },
            at,
        )
    }
}

/// Warns of keys that the dictionary has had before.
fn find_duplicates(input: &[u8], tokens: &[Token], open: usize, warnings: &mut Vec<Warning>) {
    let mut keys = Vec::new();
    let mut child = open.saturating_add(1);
    while let Some([key, value, ..]) = tokens.get(child..)
        && key.tag() != Tag::End
    {
        let start = key.start().saturating_add(key.extent());
        keys.push((input.get(start..value.start()).unwrap_or_default(), key.start()));
        child = child.saturating_add(1).saturating_add(value.skip());
    }
    keys.sort_unstable();
    for pair in keys.windows(2) {
        if let [(first, _), (second, offset)] = pair
            && first == second
        {
            warn(warnings, WarningKind::DuplicateKey, *offset);
        }
    }
}

/// The value of an optional minus and digits, all of them checked before, if `i64` or `u64` holds them.
#[inline]
pub(crate) fn integer(text: &[u8]) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() <= SURELY_I64_DIGITS {
        // The usual one: nothing can overflow.
        let add = |value: i64, digit: &u8| value.wrapping_mul(10).wrapping_add(i64::from(digit.wrapping_sub(b'0')));
        let value = digits.iter().fold(0, add);
        return Some((if negative { value.wrapping_neg() } else { value }).into());
    }
    let magnitude = digits
        .iter()
        .try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit.checked_sub(b'0')?)))?;
    if !negative {
        return Some(magnitude.into());
    }
    (magnitude <= i64::MIN.unsigned_abs()).then(|| i128::from(magnitude).wrapping_neg())
}
