//! A value that owns everything: to build by hand, to keep, to compare.

use alloc::{borrow::ToOwned, collections::BTreeMap, string::String, vec::Vec};
use core::{fmt, str};

use crate::{Document, Encode, Encoder, Error, Node, Options, node::string, show::Quoted, token::Tag, tokenizer};

/// An owned value. Its keys are sorted, so it encodes canonically whatever it was made of.
///
/// Reading is cheaper with [`Document`], writing with [`Encoder`]: this one allocates for every string.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "bencoding has four kinds and no more")]
pub enum Value {
    /// An integer. Decoding accepts what `i64` or `u64` can hold and refuses the rest.
    Int(i128),
    /// A string of any bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Self>),
    /// A dictionary.
    Dict(BTreeMap<Vec<u8>, Self>),
}

impl Value {
    /// Decodes canonical bytes. For others, see [`Node::to_value`].
    ///
    /// # Errors
    /// As [`Document::decode`] with strict options.
    pub fn decode(input: &[u8]) -> Result<Self, Error> {
        Document::decode(input, &Options::strict()).map(|document| document.root().to_value())
    }

    /// The canonical encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Encoder::to_vec(self)
    }

    /// The integer, if it is one and fits.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => (*value).try_into().ok(),
            _ => None,
        }
    }

    /// The integer, if it is one, fits and is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Int(value) => (*value).try_into().ok(),
            _ => None,
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The string, if it is one and is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        str::from_utf8(self.as_bytes()?).ok()
    }

    /// The elements, if it is a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The keys and values, if it is a dictionary.
    #[must_use]
    pub const fn as_dict(&self) -> Option<&BTreeMap<Vec<u8>, Self>> {
        match self {
            Self::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    /// The value at this key, if it is a dictionary that has it.
    #[must_use]
    pub fn find(&self, key: impl AsRef<[u8]>) -> Option<&Self> {
        self.as_dict()?.get(key.as_ref())
    }

    /// Without recursion: `stack` holds the containers that are not complete.
    pub(crate) fn from_node(node: Node<'_, '_>) -> Self {
        let (input, tokens, first, end) = node.tokens();
        let mut stack: Vec<Partial> = Vec::new();
        for (index, token) in tokens.iter().enumerate().take(end).skip(first) {
            let value = match token.tag() {
                Tag::Bytes => {
                    let bytes = string(input, tokens, index).to_owned();
                    if let Some(Partial::Dict { key: key @ None, .. }) = stack.last_mut() {
                        *key = Some(bytes);
                        continue;
                    }
                    Self::Bytes(bytes)
                }
                Tag::Int => {
                    let after = tokens.get(index.saturating_add(1)).map_or(0, |next| next.start());
                    let digits = input.get(token.start().saturating_add(1)..after.saturating_sub(1));
                    Self::Int(digits.and_then(tokenizer::integer).unwrap_or_default())
                }
                Tag::List => {
                    stack.push(Partial::List(Vec::new()));
                    continue;
                }
                Tag::Dict | Tag::UnsortedDict => {
                    stack.push(Partial::Dict { entries: BTreeMap::new(), key: None });
                    continue;
                }
                Tag::End => match stack.pop() {
                    Some(Partial::List(list)) => Self::List(list),
                    Some(Partial::Dict { entries, .. }) => Self::Dict(entries),
                    None => break,
                },
            };
            match stack.last_mut() {
                None => return value,
                Some(Partial::List(list)) => list.push(value),
                Some(Partial::Dict { entries, key }) => {
                    entries.entry(key.take().unwrap_or_default()).or_insert(value);
                }
            }
        }
        // Tokens are balanced: this is never reached.
        Self::Int(0)
    }
}

/// A container of which some children have been read.
enum Partial {
    List(Vec<Value>),
    Dict { entries: BTreeMap<Vec<u8>, Value>, key: Option<Vec<u8>> },
}

impl Encode for Value {
    fn encode(&self, encoder: Encoder<'_>) {
        match self {
            Self::Int(value) => encoder.int(*value),
            Self::Bytes(bytes) => encoder.bytes(bytes),
            Self::List(list) => encoder.list(|out| list.iter().for_each(|value| out.put(value))),
            Self::Dict(dict) => encoder.dict(|out| dict.iter().for_each(|(key, value)| out.put(key, value))),
        }
    }
}

impl From<Node<'_, '_>> for Value {
    fn from(node: Node<'_, '_>) -> Self {
        node.to_value()
    }
}

macro_rules! from_integer {
    ($($integer:ty)*) => {$(
        impl From<$integer> for Value {
            fn from(value: $integer) -> Self {
                Self::Int(value.into())
            }
        }
    )*};
}

from_integer!(i8 i16 i32 i64 u8 u16 u32 u64);

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_owned())
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

impl From<Vec<Self>> for Value {
    fn from(list: Vec<Self>) -> Self {
        Self::List(list)
    }
}

impl From<BTreeMap<Vec<u8>, Self>> for Value {
    fn from(dict: BTreeMap<Vec<u8>, Self>) -> Self {
        Self::Dict(dict)
    }
}

/// A list.
impl<V: Into<Self>> FromIterator<V> for Value {
    fn from_iter<I: IntoIterator<Item = V>>(values: I) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

/// A dictionary. Of a key that occurs twice, the last counts.
impl<K: Into<Vec<u8>>, V: Into<Self>, const N: usize> From<[(K, V); N]> for Value {
    fn from(entries: [(K, V); N]) -> Self {
        Self::Dict(entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

/// Strings as text, cut when long.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Bytes(bytes) => Quoted(bytes).fmt(f),
            Self::List(list) => list.fmt(f),
            Self::Dict(dict) => f.debug_map().entries(dict.iter().map(|(key, value)| (Quoted(key), value))).finish(),
        }
    }
}
