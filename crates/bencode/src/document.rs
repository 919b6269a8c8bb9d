//! The two ways to hold tokens: with their document, or in a decoder that is used again and again.

use core::fmt;

use crate::{Error, Node, Options, Warning, tokenizer::Tokens};

/// A decoded value, still in the bytes that it was read from.
///
/// Costs 8 bytes per token and copies nothing. A [`Node`] walks it; what a node lends lives as long as the input.
#[derive(Clone)]
pub struct Document<'a> {
    input: &'a [u8],
    tokens: Tokens,
}

impl<'a> Document<'a> {
    /// Decodes bytes that are one value and nothing else.
    ///
    /// # Errors
    /// If they are not, or pass a limit of the options. Lenient options let bytes follow, with a warning.
    pub fn decode(input: &'a [u8], options: &Options) -> Result<Self, Error> {
        let (mut document, _) = Self::decode_prefix(input, options)?;
        document.tokens.finish(input, options)?;
        Ok(document)
    }

    /// Decodes the value that the bytes begin with, and returns what follows it: a `ut_metadata` message carries its
    /// piece there. BEP 9 § "extension message".
    ///
    /// # Errors
    /// If the bytes do not begin with a value, or pass a limit of the options.
    pub fn decode_prefix(input: &'a [u8], options: &Options) -> Result<(Self, &'a [u8]), Error> {
        let mut tokens = Tokens::default();
        tokens.read(input, options)?;
        let rest = input.get(tokens.end()..).unwrap_or_default();
        Ok((Self { input, tokens }, rest))
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> Node<'_, 'a> {
        Node::root(self.input, self.tokens.as_slice())
    }

    /// What was accepted though it is not canonical, by offset; at most the first 64. Strict options leave none.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        self.tokens.warnings()
    }
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("root", &self.root()).field("warnings", &self.warnings()).finish()
    }
}

/// Decodes one input after the other into the same memory, as a DHT node does with its packets.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    options: Options,
    tokens: Tokens,
}

impl Decoder {
    /// Allocates nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, tokens: Tokens::default() }
    }

    /// As [`Document::decode`]; replaces what was decoded before.
    ///
    /// # Errors
    /// As [`Document::decode`].
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Node<'_, 'a>, Error> {
        self.tokens.read(input, &self.options)?;
        self.tokens.finish(input, &self.options)?;
        Ok(Node::root(input, self.tokens.as_slice()))
    }

    /// As [`Document::decode_prefix`]; replaces what was decoded before.
    ///
    /// # Errors
    /// As [`Document::decode_prefix`].
    pub fn decode_prefix<'a>(&mut self, input: &'a [u8]) -> Result<(Node<'_, 'a>, &'a [u8]), Error> {
        self.tokens.read(input, &self.options)?;
        let rest = input.get(self.tokens.end()..).unwrap_or_default();
        Ok((Node::root(input, self.tokens.as_slice()), rest))
    }

    /// As [`Document::warnings`], about what was decoded last.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        self.tokens.warnings()
    }
}
