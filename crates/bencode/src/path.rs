//! From the root to a value: `info.files[3].length`. Only ever made when there is an error to explain.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use crate::{
    show::Text,
    token::{Tag, Token},
};

/// The keys and indices that lead from the root to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Segment>);

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Segment {
    /// The value at this key of a dictionary. Only its first 64 bytes are kept.
    Key(Box<[u8]>),
    /// The element of a list at this position, from 0.
    Index(usize),
}

impl Path {
    /// A key is the input's to choose; an error need not repeat a megabyte of it.
    const MAX_KEY: usize = 64;

    pub(crate) const fn root() -> Self {
        Self(Vec::new())
    }

    /// Whether it leads nowhere.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The steps, from the root on.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// One step further.
    pub(crate) fn key(mut self, key: &[u8]) -> Self {
        self.0.push(Segment::Key(key.get(..Self::MAX_KEY).unwrap_or(key).into()));
        self
    }

    /// To the item at `target`, or as near as the tokens lead. All of them are closed.
    pub(crate) fn to(input: &[u8], tokens: &[Token], target: usize) -> Self {
        let mut path = Self::root();
        let mut at = 0;
        while at < target {
            let Some(step) = step(input, tokens, at, target) else { break };
            path.push(step.segment);
            at = step.child;
        }
        path
    }

    /// To where the tokenizer stood when it failed: `open` is the innermost container that is not closed.
    pub(crate) fn to_open(input: &[u8], tokens: &[Token], open: Option<usize>) -> Self {
        // An open container's extent is the index of its parent.
        let mut containers = Vec::new();
        let mut next = open;
        while let Some(at) = next {
            containers.push(at);
            next = tokens.get(at).filter(|_| at > 0).map(|token| token.extent());
        }
        let mut path = Self::root();
        let mut below = containers.iter().rev().skip(1);
        for &at in containers.iter().rev() {
            let target = below.next().copied().unwrap_or(tokens.len());
            if let Some(step) = step(input, tokens, at, target) {
                path.push(step.segment);
            }
        }
        path
    }

    fn push(&mut self, segment: Segment) {
        match segment {
            Segment::Key(key) if key.len() > Self::MAX_KEY => {
                self.0.push(Segment::Key(key.get(..Self::MAX_KEY).unwrap_or_default().into()));
            }
            segment => self.0.push(segment),
        }
    }
}

struct Step {
    segment: Segment,
    child: usize,
}

/// Which child of the container at `at` is or contains the token `target`. A target at the very end of a dictionary whose
/// last key has no value yet is that key's value.
fn step(input: &[u8], tokens: &[Token], at: usize, target: usize) -> Option<Step> {
    let is_dict = tokens.get(at)?.is_dict();
    let mut child = at.checked_add(1)?;
    let mut index = 0;
    let mut key = None;
    while child < target {
        let token = tokens.get(child)?;
        // An open container contains everything after it.
        let next = child.checked_add(token.skip())?;
        if is_dict && key.is_none() {
            key = Some(child);
        } else if next > target {
            break;
        } else {
            key = None;
            index = usize::saturating_add(index, 1);
        }
        child = next;
    }
    let segment = if is_dict {
        let key = key?;
        let token = tokens.get(key)?;
        let start = token.start().checked_add(token.extent())?;
        let end =
            tokens.get(key.checked_add(1)?).map_or_else(|| string_end(input, *token), |next| Some(next.start()))?;
        Segment::Key(input.get(start..end)?.into())
    } else {
        Segment::Index(index)
    };
    Some(Step { segment, child })
}

/// The end of a string that is the last token so far: nothing follows from which to take it.
fn string_end(input: &[u8], token: Token) -> Option<usize> {
    debug_assert_eq!(token.tag(), Tag::Bytes);
    let start = token.start().checked_add(token.extent())?;
    let digits = input.get(token.start()..start.checked_sub(1)?)?;
    let length = core::str::from_utf8(digits).ok()?.parse::<usize>().ok()?;
    start.checked_add(length)
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if position == 0 => write!(f, "{}", Text(key))?,
                Segment::Key(key) => write!(f, ".{}", Text(key))?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
