//! One token: 8 bytes. The idea is libtorrent's: the end of an item is the start of the next one, so that offset, kind and
//! the distance to the next item are all there is to store.

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Int,
    /// Its extent is the length of `123:`.
    Bytes,
    /// Its extent is the number of tokens up to the next item; while it is open, the index of the parent.
    List,
    /// As a list. Its children are key, value, key, value.
    Dict,
    /// A dictionary whose keys are not in order, or not unique.
    UnsortedDict,
    /// The `e` of a list or dictionary, and the end of the whole.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    start: u32,
    bits: u32,
}

impl Token {
    /// 29 bits: `Options` allows no more tokens than that.
    const EXTENT: u32 = u32::MAX >> 3;

    pub(crate) const END: Self = Self::new(Tag::End, 0, 0);

    #[inline]
    pub(crate) const fn new(tag: Tag, start: u32, extent: u32) -> Self {
        Self { start, bits: (tag as u32) << 29 | (extent & Self::EXTENT) }
    }

    #[inline]
    pub(crate) const fn start(self) -> usize {
        self.start as usize
    }

    #[inline]
    pub(crate) const fn extent(self) -> usize {
        (self.bits & Self::EXTENT) as usize
    }

    #[inline]
    pub(crate) const fn tag(self) -> Tag {
        match self.bits >> 29 {
            0 => Tag::Int,
            1 => Tag::Bytes,
            2 => Tag::List,
            3 => Tag::Dict,
            4 => Tag::UnsortedDict,
            _ => Tag::End,
        }
    }

    #[inline]
    pub(crate) const fn is_dict(self) -> bool {
        matches!(self.tag(), Tag::Dict | Tag::UnsortedDict)
    }

    #[inline]
    pub(crate) const fn set_extent(&mut self, extent: u32) {
        self.bits = (self.bits & !Self::EXTENT) | (extent & Self::EXTENT);
    }

    #[inline]
    pub(crate) const fn set_tag(&mut self, tag: Tag) {
        self.bits = (tag as u32) << 29 | (self.bits & Self::EXTENT);
    }

    /// How many tokens further the next item begins; only for items that are closed.
    #[inline]
    pub(crate) const fn skip(self) -> usize {
        match self.tag() {
            Tag::List | Tag::Dict | Tag::UnsortedDict => self.extent(),
            Tag::Int | Tag::Bytes | Tag::End => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_8_bytes_and_keeps_what_it_is_given() {
        assert_eq!(size_of::<Token>(), 8);
        for tag in [Tag::Int, Tag::Bytes, Tag::List, Tag::Dict, Tag::UnsortedDict, Tag::End] {
            let mut token = Token::new(tag, u32::MAX, (1 << 29) - 1);
            assert_eq!((token.tag(), token.start(), token.extent()), (tag, u32::MAX as usize, (1 << 29) - 1));
            token.set_extent(7);
            assert_eq!((token.tag(), token.start(), token.extent()), (tag, u32::MAX as usize, 7));
        }
    }
}
