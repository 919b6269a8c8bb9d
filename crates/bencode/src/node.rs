//! Walking the tokens. What is asked for and is not there is `None` from the `as_` methods, and an error that says where
//! from those without.

use core::{fmt, str};

use crate::{
    Error, ErrorKind, Path, RawValue, Value,
    show::Quoted,
    token::{Tag, Token},
    tokenizer,
};

/// One value of a [`Document`](crate::Document) or [`Decoder`](crate::Decoder): cheap to copy.
///
/// `'a` is the life of the input, so that bytes and text outlive the document; `'d` is the life of the tokens.
#[derive(Clone, Copy)]
pub struct Node<'d, 'a> {
    input: &'a [u8],
    tokens: &'d [Token],
    index: usize,
}

/// The four kinds of value. BEP 3 § "bencoding".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "bencoding has four kinds and no more")]
pub enum Kind {
    /// `i42e`
    Int,
    /// `4:spam`: any bytes, often text.
    Bytes,
    /// `l4:spami42ee`
    List,
    /// `d3:fooi42ee`
    Dict,
}

impl<'d, 'a> Node<'d, 'a> {
    pub(crate) const fn root(input: &'a [u8], tokens: &'d [Token]) -> Self {
        Self { input, tokens, index: 0 }
    }

    /// What kind of value it is.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> Kind {
        match self.tag() {
            Tag::Int | Tag::End => Kind::Int,
            Tag::Bytes => Kind::Bytes,
            Tag::List => Kind::List,
            Tag::Dict | Tag::UnsortedDict => Kind::Dict,
        }
    }

    /// The bytes it was decoded from, exactly as they were: an info hash is a hash of these.
    #[must_use]
    #[inline]
    pub fn raw(&self) -> &'a [u8] {
        self.input.get(self.offset()..start(self.tokens, self.next())).unwrap_or_default()
    }

    /// As [`raw`](Self::raw), fit to be put into another value.
    #[must_use]
    pub fn raw_value(&self) -> RawValue<'a> {
        RawValue::trusted(self.raw())
    }

    /// Where it begins, in bytes from the start of the input.
    #[must_use]
    #[inline]
    pub fn offset(&self) -> usize {
        start(self.tokens, self.index)
    }

    /// The way to it from the root. Walks there from the root: for messages, not for loops.
    #[must_use]
    pub fn path(&self) -> Path {
        Path::to(self.input, self.tokens, self.index)
    }

    /// An owned copy. Of a key that occurs twice, the first counts.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::from_node(*self)
    }

    /// The integer, if it is one and fits.
    #[must_use]
    #[inline]
    pub fn as_int(&self) -> Option<i64> {
        self.as_i128()?.try_into().ok()
    }

    /// The integer, if it is one and not negative.
    #[must_use]
    #[inline]
    pub fn as_u64(&self) -> Option<u64> {
        self.as_i128()?.try_into().ok()
    }

    /// The string, if it is one.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        match self.tag() {
            Tag::Bytes => Some(string(self.input, self.tokens, self.index)),
            _ => None,
        }
    }

    /// The string, if it is one and is UTF-8.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> Option<&'a str> {
        str::from_utf8(self.as_bytes()?).ok()
    }

    /// The string, if it is one of exactly `N` bytes.
    #[must_use]
    pub fn as_array<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.as_bytes()?.try_into().ok()
    }

    /// The elements, if it is a list.
    #[must_use]
    #[inline]
    pub fn as_list(&self) -> Option<List<'d, 'a>> {
        (self.tag() == Tag::List).then(|| List { next: self.child() })
    }

    /// The keys and values, if it is a dictionary.
    #[must_use]
    #[inline]
    pub fn as_dict(&self) -> Option<Dict<'d, 'a>> {
        matches!(self.tag(), Tag::Dict | Tag::UnsortedDict).then(|| Dict { next: self.child() })
    }

    /// The value at this key, if it is a dictionary that has it; of several, the first. Takes time in proportion to the
    /// number of keys.
    #[must_use]
    #[inline]
    pub fn find(&self, key: impl AsRef<[u8]>) -> Option<Self> {
        self.as_dict()?.find(key.as_ref())
    }

    /// An integer of the type asked for.
    ///
    /// # Errors
    /// If it is of another kind, or does not fit the type.
    #[inline]
    pub fn int<T: TryFrom<i128>>(&self) -> Result<T, Error> {
        let value = self.as_i128().ok_or_else(|| self.wrong(Kind::Int))?;
        value.try_into().map_err(|_| self.error(ErrorKind::IntegerOutOfRange))
    }

    /// A string.
    ///
    /// # Errors
    /// If it is of another kind.
    #[inline]
    pub fn bytes(&self) -> Result<&'a [u8], Error> {
        self.as_bytes().ok_or_else(|| self.wrong(Kind::Bytes))
    }

    /// A string of UTF-8.
    ///
    /// # Errors
    /// If it is of another kind, or not UTF-8.
    #[inline]
    pub fn str(&self) -> Result<&'a str, Error> {
        str::from_utf8(self.bytes()?).map_err(|_| self.error(ErrorKind::InvalidUtf8))
    }

    /// A string of exactly `N` bytes, such as a hash.
    ///
    /// # Errors
    /// If it is of another kind or length.
    pub fn array<const N: usize>(&self) -> Result<&'a [u8; N], Error> {
        let bytes = self.bytes()?;
        let wrong = |_| self.error(ErrorKind::WrongLength { expected: N, found: bytes.len() });
        bytes.try_into().map_err(wrong)
    }

    /// The elements of a list.
    ///
    /// # Errors
    /// If it is of another kind.
    #[inline]
    pub fn list(&self) -> Result<List<'d, 'a>, Error> {
        self.as_list().ok_or_else(|| self.wrong(Kind::List))
    }

    /// The keys and values of a dictionary.
    ///
    /// # Errors
    /// If it is of another kind.
    #[inline]
    pub fn dict(&self) -> Result<Dict<'d, 'a>, Error> {
        self.as_dict().ok_or_else(|| self.wrong(Kind::Dict))
    }

    /// The value at this key of a dictionary.
    ///
    /// # Errors
    /// If it is of another kind, or has no such key.
    pub fn require(&self, key: impl AsRef<[u8]>) -> Result<Self, Error> {
        let key = key.as_ref();
        let missing = || Error::new(ErrorKind::MissingKey, self.offset(), self.path().key(key));
        self.dict()?.find(key).ok_or_else(missing)
    }

    #[cold]
    pub(crate) fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.offset(), self.path())
    }

    #[cold]
    pub(crate) fn wrong(&self, expected: Kind) -> Error {
        self.error(ErrorKind::WrongKind { expected, found: self.kind() })
    }

    #[inline]
    fn tag(&self) -> Tag {
        self.tokens.get(self.index).map_or(Tag::End, |token| token.tag())
    }

    /// The index of the item after it.
    #[inline]
    fn next(&self) -> usize {
        self.index.saturating_add(self.tokens.get(self.index).map_or(1, |token| token.skip()))
    }

    /// The integer, if it is one.
    #[must_use]
    #[inline]
    pub(crate) fn as_i128(&self) -> Option<i128> {
        match (self.tag(), self.raw()) {
            (Tag::Int, [b'i', digits @ .., b'e']) => tokenizer::integer(digits),
            _ => None,
        }
    }

    /// The first of its children, or the end of it: a dictionary's children are key, value, key, value.
    #[inline]
    pub(crate) const fn child(self) -> Self {
        Self { index: self.index.saturating_add(1), ..self }
    }

    /// The item after it, or the end of what it is in.
    #[cfg(feature = "serde")]
    #[inline]
    pub(crate) fn sibling(self) -> Self {
        Self { index: self.next(), ..self }
    }

    /// Whether this is no item, but the end of a list or dictionary.
    #[cfg(feature = "serde")]
    #[inline]
    pub(crate) fn is_end(&self) -> bool {
        self.tag() == Tag::End
    }

    /// Whether it is a dictionary whose keys are not in order, or not unique.
    #[cfg(feature = "serde")]
    #[inline]
    pub(crate) fn is_unsorted(&self) -> bool {
        self.tag() == Tag::UnsortedDict
    }

    /// Its tokens, and its bytes from the input.
    pub(crate) fn tokens(&self) -> (&'a [u8], &'d [Token], usize, usize) {
        (self.input, self.tokens, self.index, self.next())
    }
}

/// The bytes of the string at this index.
#[inline]
pub(crate) fn string<'a>(input: &'a [u8], tokens: &[Token], index: usize) -> &'a [u8] {
    match tokens.get(index..) {
        Some([token, next, ..]) => input.get(token.start().saturating_add(token.extent())..next.start()),
        _ => None,
    }
    .unwrap_or_default()
}

#[inline]
fn start(tokens: &[Token], index: usize) -> usize {
    tokens.get(index).map_or(0, |token| token.start())
}

/// Like the value itself, with long strings cut.
impl fmt::Debug for Node<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(list) = self.as_list() {
            f.debug_list().entries(list).finish()
        } else if let Some(dict) = self.as_dict() {
            f.debug_map().entries(dict.map(|(key, value)| (Quoted(key), value))).finish()
        } else if let Some(bytes) = self.as_bytes() {
            Quoted(bytes).fmt(f)
        } else {
            self.as_i128().unwrap_or_default().fmt(f)
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int => "an integer",
            Self::Bytes => "a string",
            Self::List => "a list",
            Self::Dict => "a dictionary",
        })
    }
}

/// The elements of a list, in order.
#[derive(Clone, Copy)]
#[must_use]
pub struct List<'d, 'a> {
    next: Node<'d, 'a>,
}

impl<'d, 'a> Iterator for List<'d, 'a> {
    type Item = Node<'d, 'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let node = self.next;
        if node.tag() == Tag::End {
            return None;
        }
        self.next.index = node.next();
        Some(node)
    }
}

impl fmt::Debug for List<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

/// The keys and values of a dictionary, in the order of the input.
#[derive(Clone, Copy)]
#[must_use]
pub struct Dict<'d, 'a> {
    /// The next key.
    next: Node<'d, 'a>,
}

impl<'d, 'a> Dict<'d, 'a> {
    /// The value at this key, from here on; of several, the first.
    #[must_use]
    #[inline]
    pub fn find(&self, key: impl AsRef<[u8]>) -> Option<Node<'d, 'a>> {
        let (mut dict, key) = (*self, key.as_ref());
        dict.find_map(|(found, value)| (found == key).then_some(value))
    }
}

impl<'d, 'a> Iterator for Dict<'d, 'a> {
    type Item = (&'a [u8], Node<'d, 'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let key = self.next;
        let text = key.as_bytes()?;
        let value = key.child();
        self.next.index = value.next();
        Some((text, value))
    }
}

impl fmt::Debug for Dict<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.map(|(key, value)| (Quoted(key), value))).finish()
    }
}
