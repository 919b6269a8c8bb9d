//! Bytes for human eyes: text as text, everything else escaped, all of it short.

use core::fmt::{self, Write as _};

/// Longer strings are cut: a `pieces` of a megabyte says nothing on a screen.
const MAX_SHOWN: usize = 64;

/// Bytes as text, without quotes.
pub(crate) struct Text<'a>(pub(crate) &'a [u8]);

/// Bytes as a quoted string with its length when it is cut.
pub(crate) struct Quoted<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..MAX_SHOWN).unwrap_or(self.0);
        for chunk in shown.utf8_chunks() {
            for char in chunk.valid().chars() {
                // Also bidirectional overrides and other invisible things: an error message is not theirs to rearrange.
                if char.is_ascii_graphic() || char == ' ' || (!char.is_ascii() && char.is_alphanumeric()) {
                    f.write_char(char)?;
                } else {
                    write!(f, "{}", char.escape_unicode())?;
                }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        if shown.len() < self.0.len() {
            f.write_char('…')?;
        }
        Ok(())
    }
}

impl fmt::Debug for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Text(self.0))?;
        if self.0.len() > MAX_SHOWN {
            write!(f, " ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}
