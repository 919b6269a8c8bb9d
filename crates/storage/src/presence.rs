//! What of a torrent is there to be read, so that a check need not read what is not.
//! In: the runs of data and of zeros that a backend found, in order. Out: the answer for one range.

use std::ops::Range;

/// Which of a torrent's bytes a backend holds: a claim about places, not about their content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Disjoint, in order; what is in none of them is missing.
    runs: Vec<(Range<u64>, bool)>,
}

/// What is known of a range without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a check must know what to do with each")]
pub enum Extent {
    /// All of it may hold data: reading will tell.
    Data,
    /// At least one byte of it is not there.
    Missing,
    /// All of it is there and nothing but zeros: pads and the holes of sparse files.
    Zeros,
}

impl Presence {
    /// Nothing is there.
    #[must_use]
    pub const fn new() -> Self {
        Self { runs: Vec::new() }
    }

    /// Adds a run that may hold data. Runs are added in order of their offset.
    pub fn push_data(&mut self, range: Range<u64>) {
        self.push(range, true);
    }

    /// Adds a run of zeros. Runs are added in order of their offset.
    pub fn push_zeros(&mut self, range: Range<u64>) {
        self.push(range, false);
    }

    fn push(&mut self, range: Range<u64>, data: bool) {
        if range.is_empty() {
            return;
        }
        match self.runs.last_mut() {
            Some((last, kind)) if last.end == range.start && *kind == data => last.end = range.end,
            last => {
                debug_assert!(last.is_none_or(|(last, _)| last.end <= range.start), "runs are added in order");
                self.runs.push((range, data));
            }
        }
    }

    /// What is known of `range`. An empty range is all zeros.
    #[must_use]
    pub fn of(&self, range: Range<u64>) -> Extent {
        let first = self.runs.partition_point(|(run, _)| run.end <= range.start);
        let mut at = range.start;
        let mut extent = Extent::Zeros;
        for (run, data) in self.runs.get(first..).unwrap_or_default() {
            if at >= range.end {
                break;
            }
            if run.start > at {
                return Extent::Missing;
            }
            if *data {
                extent = Extent::Data;
            }
            at = run.end;
        }
        if at < range.end { Extent::Missing } else { extent }
    }

    /// The runs that may hold data, in order, adjacent ones merged.
    pub fn data(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.runs.iter().filter(|(_, data)| *data).map(|(run, _)| run.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_as_good_as_its_worst_byte() {
        let mut presence = Presence::new();
        presence.push_data(0..10);
        presence.push_data(10..20);
        presence.push_zeros(20..30);
        presence.push_data(40..50);
        assert_eq!(presence.of(0..20), Extent::Data);
        assert_eq!(presence.of(15..30), Extent::Data);
        assert_eq!(presence.of(20..30), Extent::Zeros);
        assert_eq!(presence.of(20..31), Extent::Missing);
        assert_eq!(presence.of(35..45), Extent::Missing);
        assert_eq!(presence.of(40..50), Extent::Data);
        assert_eq!(presence.of(50..51), Extent::Missing);
        assert_eq!(presence.data().collect::<Vec<_>>(), [0..20, 40..50]);
    }
}
