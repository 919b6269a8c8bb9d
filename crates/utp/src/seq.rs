//! Sequence numbers: sixteen bits that wrap (BEP 29, "seq_nr").
//! They count packets, not bytes, and only compare within half of their circle.

/// The number of a packet in one direction of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct SeqNr(pub u16);

impl SeqNr {
    /// The number `n` packets later.
    #[must_use]
    pub const fn plus(self, n: u16) -> Self {
        Self(self.0.wrapping_add(n))
    }

    /// The number `n` packets earlier.
    #[must_use]
    pub const fn minus(self, n: u16) -> Self {
        Self(self.0.wrapping_sub(n))
    }

    /// How many packets this one is ahead of `earlier`, on the circle.
    #[must_use]
    pub const fn distance_from(self, earlier: Self) -> u16 {
        self.0.wrapping_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_round() {
        assert_eq!(SeqNr(u16::MAX).plus(2), SeqNr(1));
        assert_eq!(SeqNr(0).minus(1), SeqNr(u16::MAX));
        assert_eq!(SeqNr(3).distance_from(SeqNr(65_530)), 9);
    }
}
