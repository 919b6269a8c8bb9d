//! Bytes to tokens, in one pass without recursion and without a stack: an open container's token holds the index of its
//! parent until it is closed. Spec: BEP 3 § "bencoding". In: all the bytes. Out: tokens, warnings, or a fault.
//! Never: values of integers, UTF-8 (see `node`).

use alloc::vec::Vec;

use crate::{
    Error, ErrorKind, Options, Path, Warning, WarningKind,
    token::{Tag, Token},
};

/// Digits and colon of a length. 20 digits are more than 64 bits can count.
const MAX_LENGTH_PREFIX: usize = 21;
/// So many digits fit an `i64`, whatever they are.
const SURELY_I64_DIGITS: usize = 18;

/// The reusable part of a decoder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<Token>,
    pub(crate) warnings: Vec<Warning>,
}

impl Tokens {
    /// Replaces what is here by the tokens of the first value of `input`. Whatever follows it is not looked at.
    pub(crate) fn read(&mut self, input: &[u8], options: &Options) -> Result<(), Error> {
        self.tokens.clear();
        self.warnings.clear();
        if input.len() > options.max_bytes {
            return Err(Error::new(ErrorKind::InputTooLong, options.max_bytes, Path::root()));
        }
        self.tokens.reserve(expected_tokens(input.len()));
        let mut tokenizer = Tokenizer { input, options, out: self, open: None, depth: 0, last_key: Key::NONE };
        tokenizer.run().map_err(|fault| {
            let open = tokenizer.open;
            Error::new(fault.kind, fault.offset, Path::to_open(input, &self.tokens, open))
        })
    }

    /// Where the first value ends.
    pub(crate) fn end(&self) -> usize {
        self.tokens.last().map_or(0, |end| end.start())
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
    (input_length / 16).clamp(16, 1024)
}

fn warn(warnings: &mut Vec<Warning>, kind: WarningKind, offset: usize) {
    if warnings.len() < Warning::MAX_KEPT {
        warnings.push(Warning::new(kind, narrow(offset)));
    }
}

/// Offsets and token counts are below 2^32: `Options` sees to it.
#[expect(clippy::cast_possible_truncation, reason = "limited by `Options`")]
const fn narrow(number: usize) -> u32 {
    number as u32
}

/// An error without its path, which costs an allocation and is added only at the end.
struct Fault {
    kind: ErrorKind,
    offset: usize,
}

const fn fault<T>(kind: ErrorKind, offset: usize) -> Result<T, Fault> {
    Err(Fault { kind, offset })
}

/// The key before the one that is being read.
#[derive(Clone, Copy)]
struct Key {
    /// Its first 8 bytes, zero where it is shorter. If these differ, they order the keys; most often they do.
    head: u64,
    start: usize,
    end: usize,
}

impl Key {
    /// No key ends at 0: its dictionary begins before it.
    const NONE: Self = Self { head: 0, start: 0, end: 0 };

    fn new(input: &[u8], start: usize, end: usize) -> Self {
        let rest = input.get(start..).unwrap_or_default();
        let length = end.saturating_sub(start);
        let head = match rest.first_chunk::<8>() {
            Some(_) if length == 0 => 0,
            Some(&bytes) if length >= 8 => u64::from_be_bytes(bytes),
            Some(&bytes) => {
                let spare = narrow(8_usize.saturating_sub(length).wrapping_mul(8));
                u64::from_be_bytes(bytes).wrapping_shr(spare).wrapping_shl(spare)
            }
            None => {
                let mut bytes = [0; 8];
                bytes.iter_mut().zip(rest.get(..length).unwrap_or_default()).for_each(|(to, from)| *to = *from);
                u64::from_be_bytes(bytes)
            }
        };
        Self { head, start, end }
    }

    fn bytes<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        input.get(self.start..self.end).unwrap_or_default()
    }
}

struct Tokenizer<'a> {
    input: &'a [u8],
    options: &'a Options,
    out: &'a mut Tokens,
    /// The innermost container that is not closed.
    open: Option<usize>,
    depth: usize,
    last_key: Key,
}

impl Tokenizer<'_> {
    #[expect(clippy::arithmetic_side_effects, reason = "`at` is an index of a byte that was there, below 2^32")]
    fn run(&mut self) -> Result<(), Fault> {
        let mut at = 0;
        let mut in_dict = false;
        loop {
            // One turn is one value, in a dictionary together with the key before it.
            if in_dict {
                match self.input.get(at) {
                    Some(b'0'..=b'9') => at = self.key(at)?,
                    Some(b'e') => {
                        self.close(at)?;
                        at += 1;
                        match self.open {
                            Some(open) => in_dict = self.is_dict(open),
                            None => break,
                        }
                        continue;
                    }
                    Some(_) => return fault(ErrorKind::KeyNotString, at),
                    None => return fault(ErrorKind::UnexpectedEnd, at),
                }
            }
            match self.input.get(at) {
                Some(b'0'..=b'9') => {
                    let (body, end) = self.string(at)?;
                    self.push(Tag::Bytes, at, body - at)?;
                    at = end;
                }
                Some(b'i') => at = self.integer(at)?,
                Some(b'l') => {
                    self.open(Tag::List, at)?;
                    at += 1;
                    in_dict = false;
                    continue;
                }
                Some(b'd') => {
                    self.open(Tag::Dict, at)?;
                    at += 1;
                    in_dict = true;
                    continue;
                }
                Some(b'e') if in_dict => return fault(ErrorKind::MissingValue, at),
                Some(b'e') if self.open.is_some() => {
                    self.close(at)?;
                    at += 1;
                    in_dict = self.open.is_some_and(|open| self.is_dict(open));
                }
                Some(&byte) => return fault(ErrorKind::UnexpectedByte(byte), at),
                None => return fault(ErrorKind::UnexpectedEnd, at),
            }
            if self.open.is_none() {
                break;
            }
        }
        // Gives the last item its end.
        self.out.tokens.push(Token::new(Tag::End, narrow(at), 0));
        // Repeated keys are found late.
        self.out.warnings.sort_by_key(Warning::offset);
        Ok(())
    }

    #[inline]
    fn push(&mut self, tag: Tag, at: usize, extent: usize) -> Result<(), Fault> {
        if self.out.tokens.len() >= self.options.max_tokens {
            return fault(ErrorKind::TokenLimit, at);
        }
        self.out.tokens.push(Token::new(tag, narrow(at), narrow(extent)));
        Ok(())
    }

    #[inline]
    fn open(&mut self, tag: Tag, at: usize) -> Result<(), Fault> {
        if self.depth >= self.options.max_depth {
            return fault(ErrorKind::DepthLimit, at);
        }
        let index = self.out.tokens.len();
        self.push(tag, at, self.open.unwrap_or(0))?;
        self.open = Some(index);
        self.depth = self.depth.saturating_add(1);
        self.last_key = Key::NONE;
        Ok(())
    }

    #[inline]
    fn close(&mut self, at: usize) -> Result<(), Fault> {
        self.push(Tag::End, at, 0)?;
        let next = self.out.tokens.len();
        let Some(open) = self.open else { return Ok(()) };
        let Some(token) = self.out.tokens.get_mut(open) else { return Ok(()) };
        let parent = token.extent();
        token.set_extent(narrow(next.saturating_sub(open)));
        if token.tag() == Tag::UnsortedDict {
            self.find_duplicates(open)?;
        }
        self.depth = self.depth.saturating_sub(1);
        // The root is its own parent.
        self.open = (open != 0).then_some(parent);
        if let Some([key, value]) = open.checked_sub(1).and_then(|key| self.out.tokens.get(key..=open)) {
            // If the parent is a dictionary, the token before this one is its key.
            self.last_key = Key::new(self.input, key.start().saturating_add(key.extent()), value.start());
        }
        Ok(())
    }

    fn is_dict(&self, open: usize) -> bool {
        self.out.tokens.get(open).is_some_and(|token| token.is_dict())
    }

    /// Where the bytes of the string at `at` begin and end.
    #[inline]
    #[expect(clippy::arithmetic_side_effects, reason = "`length` never passes the length of the input, below 2^32")]
    fn string(&mut self, at: usize) -> Result<(usize, usize), Fault> {
        let left = self.input.len() - at;
        let mut body = at;
        let mut length = 0_u64;
        loop {
            match self.input.get(body) {
                Some(&digit @ b'0'..=b'9') => length = length * 10 + u64::from(digit - b'0'),
                Some(b':') => break,
                Some(_) => return fault(ErrorKind::InvalidLength, body),
                None => return fault(ErrorKind::UnexpectedEnd, body),
            }
            if length > left as u64 {
                return fault(ErrorKind::StringTooLong, at);
            }
            body += 1;
        }
        if body - at > 1 && self.input.get(at) == Some(&b'0') {
            if body - at >= MAX_LENGTH_PREFIX {
                return fault(ErrorKind::InvalidLength, at);
            }
            self.tolerate(WarningKind::LeadingZero, at)?;
        }
        body += 1;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > self.input.len() - body {
            return fault(ErrorKind::StringTooLong, at);
        }
        Ok((body, body + length))
    }

    #[inline]
    fn key(&mut self, at: usize) -> Result<usize, Fault> {
        let (body, end) = self.string(at)?;
        let key = Key::new(self.input, body, end);
        if key.head <= self.last_key.head {
            self.check_order(&key, at)?;
        }
        self.last_key = key;
        self.push(Tag::Bytes, at, body.saturating_sub(at))?;
        Ok(end)
    }

    #[cold]
    fn check_order(&mut self, key: &Key, at: usize) -> Result<(), Fault> {
        if self.last_key.end == 0 || key.bytes(self.input) > self.last_key.bytes(self.input) {
            return Ok(());
        }
        if !self.options.lenient {
            let twice = key.bytes(self.input) == self.last_key.bytes(self.input);
            return fault(if twice { ErrorKind::DuplicateKey } else { ErrorKind::UnsortedKey }, at);
        }
        if key.bytes(self.input) < self.last_key.bytes(self.input) {
            warn(&mut self.out.warnings, WarningKind::UnsortedKey, at);
        }
        // Keys that occur twice may lie apart: they are looked for when the dictionary is complete.
        if let Some(token) = self.open.and_then(|open| self.out.tokens.get_mut(open)) {
            *token = Token::new(Tag::UnsortedDict, narrow(token.start()), narrow(token.extent()));
        }
        Ok(())
    }

    #[cold]
    fn find_duplicates(&mut self, open: usize) -> Result<(), Fault> {
        let tokens = &self.out.tokens;
        let mut keys = Vec::new();
        let mut child = open.saturating_add(1);
        while let Some([key, value, ..]) = tokens.get(child..).filter(|rest| rest.len() > 1) {
            if key.tag() == Tag::End {
                break;
            }
            let start = key.start().saturating_add(key.extent());
            keys.push((self.input.get(start..value.start()).unwrap_or_default(), key.start()));
            child = child.saturating_add(1).saturating_add(value.skip());
        }
        keys.sort_unstable();
        for pair in keys.windows(2) {
            if let [(first, _), (second, offset)] = pair
                && first == second
            {
                warn(&mut self.out.warnings, WarningKind::DuplicateKey, *offset);
            }
        }
        Ok(())
    }

    #[inline]
    #[expect(clippy::arithmetic_side_effects, reason = "indices of bytes that were there, below 2^32")]
    fn integer(&mut self, at: usize) -> Result<usize, Fault> {
        let negative = self.input.get(at + 1) == Some(&b'-');
        let digits = at + 1 + usize::from(negative);
        let mut end = digits;
        while let Some(b'0'..=b'9') = self.input.get(end) {
            end += 1;
        }
        match self.input.get(end) {
            Some(b'e') if end > digits => {}
            Some(_) => return fault(ErrorKind::InvalidInteger, at),
            None => return fault(ErrorKind::UnexpectedEnd, end),
        }
        if self.input.get(digits) == Some(&b'0') && (negative || end - digits > 1) {
            let kind = if end - digits > 1 { WarningKind::LeadingZero } else { WarningKind::NegativeZero };
            self.tolerate(kind, at)?;
        }
        if end - digits > SURELY_I64_DIGITS && integer(self.input.get(at + 1..end).unwrap_or_default()).is_none() {
            return fault(ErrorKind::IntegerOutOfRange, at);
        }
        self.push(Tag::Int, at, 0)?;
        Ok(end + 1)
    }

    #[cold]
    fn tolerate(&mut self, kind: WarningKind, at: usize) -> Result<(), Fault> {
        if self.options.lenient {
            warn(&mut self.out.warnings, kind, at);
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

/// An optional minus and digits, if `i64` or `u64` holds them.
pub(crate) fn integer(text: &[u8]) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let magnitude = digits
        .iter()
        .try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit.checked_sub(b'0')?)))?;
    if !negative {
        return Some(magnitude.into());
    }
    (magnitude <= i64::MIN.unsigned_abs()).then(|| i128::from(magnitude).wrapping_neg())
}
