//! `so`: the wanted files as ranges of their numbers. BEP 53. Ranges stay ranges: `0-18446744073709551615` costs 16 bytes.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use super::MagnetError;

/// The most ranges that a link may name.
pub const MAX_SELECTION_RANGES: usize = 4096;

/// Which files are wanted, by their number in the torrent, pad files counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileSelection {
    /// In order; they neither overlap nor touch.
    ranges: Vec<RangeInclusive<u64>>,
}

impl FileSelection {
    /// The ranges, in order; they neither overlap nor touch.
    #[must_use]
    pub fn ranges(&self) -> &[RangeInclusive<u64>] {
        &self.ranges
    }

    /// Whether file number `index` is wanted.
    #[must_use]
    pub fn contains(&self, index: u64) -> bool {
        let at = self.ranges.partition_point(|range| *range.end() < index);
        self.ranges.get(at).is_some_and(|range| range.contains(&index))
    }

    /// Adds what `text` names, such as `0,2,4-6`. `None` if it cannot be read, leaving `self` in some state.
    pub(super) fn extend_from(&mut self, text: &str) -> Option<()> {
        for item in text.split(',').filter(|item| !item.is_empty()) {
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            let range = number(first)?..=number(last)?;
            if range.is_empty() || self.ranges.len() >= MAX_SELECTION_RANGES {
                return None;
            }
            self.ranges.push(range);
        }
        self.ranges.sort_unstable_by_key(|range| *range.start());
        self.ranges.dedup_by(|next, range| {
            let touches = *next.start() <= range.end().saturating_add(1);
            if touches {
                *range = *range.start()..=*range.end().max(next.end());
            }
            touches
        });
        Some(())
    }
}

/// No sign and no space, unlike `parse`.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl FromIterator<u64> for FileSelection {
    fn from_iter<I: IntoIterator<Item = u64>>(indices: I) -> Self {
        indices.into_iter().map(|index| index..=index).collect()
    }
}

impl FromIterator<RangeInclusive<u64>> for FileSelection {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<u64>>>(ranges: I) -> Self {
        let mut selection = Self { ranges: ranges.into_iter().filter(|range| !range.is_empty()).collect() };
        // Nothing to add, only to put in order.
        let _ordered = selection.extend_from("");
        selection
    }
}

impl FromStr for FileSelection {
    type Err = MagnetError;

    fn from_str(text: &str) -> Result<Self, MagnetError> {
        let mut selection = Self::default();
        selection.extend_from(text).map(|()| selection).ok_or(MagnetError::Selection)
    }
}

impl fmt::Display for FileSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, range) in self.ranges.iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            if range.start() == range.end() {
                write!(f, "{}", range.start())?;
            } else {
                write!(f, "{}-{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_put_in_order_and_joined() {
        let selection: FileSelection = "7,0-2,3,9-12,10".parse().unwrap();
        assert_eq!(selection.ranges(), [0..=3, 7..=7, 9..=12]);
        assert_eq!(selection.to_string(), "0-3,7,9-12");
        let wanted: Vec<_> = (0..15).filter(|index| selection.contains(*index)).collect();
        assert_eq!(wanted, [0, 1, 2, 3, 7, 9, 10, 11, 12]);
        assert_eq!([0, 1, 2, 3, 7, 9, 10, 11, 12].into_iter().collect::<FileSelection>(), selection);
    }

    #[test]
    fn everything_is_one_range() {
        let selection: FileSelection = "0-18446744073709551615,5,18446744073709551615".parse().unwrap();
        assert_eq!(selection.ranges(), [0..=u64::MAX]);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["a", "-", "1-", "-1", "3-2", "+1", "1 ", "18446744073709551616", "1-2-3"] {
            assert!(bad.parse::<FileSelection>().is_err(), "{bad}");
        }
        let many: Vec<_> = (0..=MAX_SELECTION_RANGES).map(|index| (2 * index).to_string()).collect();
        assert!(many.join(",").parse::<FileSelection>().is_err());
        assert_eq!("".parse::<FileSelection>().unwrap(), FileSelection::default());
    }
}
