//! The ordinary part of the way from bytes to tokens: no calls, no errors, no warnings, so that all of its state fits the
//! registers. Whatever is out of the ordinary is left to `tokenizer`, which can do everything, one token at a time.
//! Spec: BEP 3 § "bencoding".

use crate::token::{Tag, Token};

/// Where a tokenizer stands: between two tokens.
#[derive(Clone, Copy, Default)]
pub(crate) struct State {
    /// The next byte.
    pub(crate) at: usize,
    /// How many tokens are written.
    pub(crate) count: usize,
    /// The innermost container that is not closed; its extent is the index of the one around it.
    pub(crate) open: usize,
    /// Whether that is a dictionary.
    pub(crate) in_dict: bool,
    /// Whether the next token is a key, or the end of a dictionary.
    pub(crate) want_key: bool,
    /// How many more containers may be opened.
    pub(crate) depth_left: usize,
    /// The `head` of the last key of the open dictionary; 0 if it has none; `UNKNOWN` after a container.
    pub(crate) last_head: u64,
    /// The container that was closed last.
    pub(crate) closed: usize,
}

impl State {
    pub(crate) const UNKNOWN: u64 = u64::MAX;
}

/// Reads tokens for as long as they are ordinary and there is room for them. Stops in front of the first that is not.
#[expect(clippy::arithmetic_side_effects, reason = "indices of bytes and tokens that were there, below 2^32")]
pub(crate) fn read(input: &[u8], tokens: &mut [Token], state: &mut State) {
    let State { mut at, mut count, mut open, mut in_dict, mut want_key, mut depth_left, mut last_head, mut closed } =
        *state;
    while let (Some(&byte), true) = (input.get(at), count < tokens.len()) {
        if byte.is_ascii_digit() {
            let Some(body) = string_body(input, at, byte) else { break };
            if want_key {
                let head = head(input, body.start, body.end);
                if last_head == State::UNKNOWN {
                    // The last key is in front of the container that was its value.
                    let Some([key, value]) = tokens.get(closed.wrapping_sub(1)..=closed) else { break };
                    last_head = self::head(input, key.start() + key.extent(), value.start());
                }
                if head <= last_head {
                    break;
                }
                last_head = head;
            }
            let Some(slot) = tokens.get_mut(count) else { break };
            *slot = Token::new(Tag::Bytes, narrow(at), narrow(body.start - at));
            at = body.end;
            want_key = in_dict & !want_key;
        } else if byte == b'e' {
            if open == 0 || in_dict != want_key {
                break;
            }
            let Some(slot) = tokens.get_mut(count) else { break };
            *slot = Token::new(Tag::End, narrow(at), 0);
            let Some(token) = tokens.get_mut(open) else { break };
            if token.tag() == Tag::UnsortedDict {
                break;
            }
            let parent = token.extent();
            token.set_extent(narrow(count + 1 - open));
            closed = open;
            open = parent;
            in_dict = tokens.get(parent).is_some_and(|parent| parent.is_dict());
            want_key = in_dict;
            last_head = State::UNKNOWN;
            depth_left += 1;
            at += 1;
        } else if want_key {
            break;
        } else if byte == b'i' {
            let Some(end) = integer_end(input, at) else { break };
            let Some(slot) = tokens.get_mut(count) else { break };
            *slot = Token::new(Tag::Int, narrow(at), 0);
            at = end;
            want_key = in_dict;
        } else {
            let tag = match byte {
                b'd' => Tag::Dict,
                b'l' => Tag::List,
                _ => break,
            };
            if depth_left == 0 {
                break;
            }
            let Some(slot) = tokens.get_mut(count) else { break };
            *slot = Token::new(tag, narrow(at), narrow(open));
            open = count;
            in_dict = byte == b'd';
            want_key = in_dict;
            last_head = 0;
            depth_left -= 1;
            at += 1;
        }
        count += 1;
    }
    *state = State { at, count, open, in_dict, want_key, depth_left, last_head, closed };
}

/// Offsets and token counts are below 2^32: `Options` sees to it.
#[expect(clippy::cast_possible_truncation, reason = "limited by `Options`")]
pub(crate) const fn narrow(number: usize) -> u32 {
    number as u32
}

/// Where the bytes of a string are.
pub(crate) struct Body {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The bytes of the string at `at`, of which `first` is the first digit; if they are all there and its length has no more
/// than 8 digits, and no zero in front.
#[inline(always)]
#[expect(clippy::arithmetic_side_effects, reason = "a length of 8 digits, and indices below 2^32")]
pub(crate) fn string_body(input: &[u8], at: usize, first: u8) -> Option<Body> {
    let mut length = usize::from(first - b'0');
    let mut start = at + 2;
    let mut byte = *input.get(at + 1)?;
    while byte != b':' {
        if !byte.is_ascii_digit() || length == 0 || length >= 10_000_000 {
            return None;
        }
        length = length * 10 + usize::from(byte - b'0');
        byte = *input.get(start)?;
        start += 1;
    }
    let end = start + length;
    (end <= input.len()).then_some(Body { start, end })
}

/// What follows the integer at `at`; if it has no more than 18 digits, which always fit, and no zero in front.
#[inline(always)]
#[expect(clippy::arithmetic_side_effects, reason = "indices of bytes that were there, below 2^32")]
fn integer_end(input: &[u8], at: usize) -> Option<usize> {
    let mut digits = at + 1;
    if input.get(digits) == Some(&b'-') {
        digits += 1;
    }
    let count = count_digits(input.get(digits..)?);
    let end = digits + count;
    if *input.get(end)? != b'e' || count == 0 || count > 18 {
        return None;
    }
    // Just `i0e` is ordinary.
    (*input.get(digits)? != b'0' || end == at + 2).then_some(end + 1)
}

/// The first 8 bytes of a key, zero where it is shorter, and never `UNKNOWN`. If those of two keys differ, they order the
/// keys, as they mostly do; if not, nothing is known.
#[inline(always)]
#[expect(clippy::arithmetic_side_effects, reason = "shifts of less than 64 bits")]
pub(crate) fn head(input: &[u8], start: usize, end: usize) -> u64 {
    let length = end.wrapping_sub(start);
    let head = match input.get(start..).and_then(<[u8]>::first_chunk::<8>) {
        Some(&bytes) if length >= 8 => u64::from_be_bytes(bytes),
        Some(&bytes) => u64::from_be_bytes(bytes) & !(u64::MAX >> (8 * length)),
        None => {
            let key = input.get(start..end).unwrap_or_default();
            let shifted = key.iter().fold(0, |head, &byte| head << 8 | u64::from(byte));
            if length == 0 || length >= 8 { shifted } else { shifted << (64 - 8 * length) }
        }
    };
    head.min(State::UNKNOWN - 1)
}

/// How many digits the bytes begin with, counted eight at a time.
#[inline(always)]
pub(crate) fn count_digits(bytes: &[u8]) -> usize {
    const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);
    /// Lifts whatever is more than 9 into the top bit.
    const OVER_9: u64 = u64::from_ne_bytes([0x76; 8]);
    const TOP_BITS: u64 = u64::from_ne_bytes([0x80; 8]);
    let mut count = 0_usize;
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        let digits = u64::from_le_bytes(*chunk) ^ ZEROS;
        // A carry touches only bytes after the first that is no digit.
        let others = (digits.wrapping_add(OVER_9) | digits) & TOP_BITS;
        if others != 0 {
            return count.wrapping_add(others.trailing_zeros() as usize / 8);
        }
        count = count.wrapping_add(8);
        rest = after;
    }
    count.wrapping_add(rest.iter().take_while(|byte| byte.is_ascii_digit()).count())
}
