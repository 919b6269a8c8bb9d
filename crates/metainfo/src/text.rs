//! Text that is not UTF-8. Old torrents say in `encoding` what it is; some have `name.utf-8` and `path.utf-8` beside it.

use std::borrow::Cow;

/// What the strings of a torrent are encoded in, where that is not UTF-8.
///
/// Without the feature `encoding` there is none of these: such strings stay bytes and lose what is not UTF-8 when shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoding {
    #[cfg(feature = "encoding")]
    inner: &'static encoding_rs::Encoding,
}

impl Encoding {
    /// By the label in the torrent; `None` for UTF-8 and for what nobody knows.
    #[cfg(feature = "encoding")]
    pub(crate) fn by_label(label: &[u8]) -> Option<Self> {
        let inner = encoding_rs::Encoding::for_label(label)?;
        (inner != encoding_rs::UTF_8).then_some(Self { inner })
    }

    /// By the label in the torrent; none is known without the feature `encoding`.
    #[cfg(not(feature = "encoding"))]
    pub(crate) const fn by_label(_label: &[u8]) -> Option<Self> {
        None
    }

    /// Bytes that are UTF-8 if they can be: what is UTF-8 already stays so, whatever the label says.
    pub(crate) fn decode(encoding: Option<Self>, bytes: &[u8]) -> Cow<'_, [u8]> {
        match encoding {
            Some(encoding) if std::str::from_utf8(bytes).is_err() => encoding.convert(bytes),
            _ => Cow::Borrowed(bytes),
        }
    }

    /// Text, with U+FFFD in place of what cannot be read.
    pub(crate) fn decode_text(encoding: Option<Self>, bytes: &[u8]) -> String {
        match Self::decode(encoding, bytes) {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Cow::Owned(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    #[cfg(feature = "encoding")]
    fn convert(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        let (text, _) = self.inner.decode_without_bom_handling(bytes);
        Cow::Owned(text.into_owned().into_bytes())
    }

    #[cfg(not(feature = "encoding"))]
    #[expect(clippy::unused_self, reason = "the same signature with and without the feature")]
    const fn convert(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        Cow::Borrowed(bytes)
    }
}
