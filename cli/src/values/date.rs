//! Moments: seconds since 1970 or ISO 8601 in, UTC text out.

use std::str::FromStr;

const DAY: i64 = 24 * 60 * 60;

/// A moment, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Date {
    Now,
    None,
    /// Seconds since 1970.
    At(i64),
}

impl Date {
    /// Seconds since 1970. `SOURCE_DATE_EPOCH` sets what now is, for builds that are the same each time.
    ///
    /// # Errors
    /// If that is set to something else than an integer: going on with another date would break such a build silently.
    pub(crate) fn seconds(self) -> Result<Option<i64>, String> {
        match self {
            Self::None => Ok(None),
            Self::At(seconds) => Ok(Some(seconds)),
            Self::Now => match std::env::var_os("SOURCE_DATE_EPOCH") {
                Some(text) => epoch(&text.to_string_lossy()).map(Some),
                None => Ok(now()),
            },
        }
    }
}

fn epoch(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| {
        format!("SOURCE_DATE_EPOCH is {text:?}, which is not a number of seconds since 1970: set it right, unset it, or say --date")
    })
}

#[expect(clippy::disallowed_methods, reason = "a new torrent says when it was made")]
fn now() -> Option<i64> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

impl FromStr for Date {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "now" => Some(Self::Now),
            "none" => Some(Self::None),
            text => text.parse().ok().or_else(|| parse(text)).map(Self::At),
        }
        .ok_or("say it as seconds since 1970, 2026-11-21, 2026-11-21T10:00:00Z, now or none")
    }
}

/// Reads `2026-11-21`, with `T10:00:00Z` behind it or not.
fn parse(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let days = days_before(year, month, day);
    // Days that a month does not have come out as others.
    (civil(days) == (year, month, day) && hour < 24 && minute < 60 && second < 60)
        .then(|| days * DAY + hour * 3600 + minute * 60 + second)
}

fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part =
            parts.next().filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// `2026-11-21T10:00:00Z`; seconds since 1970 if the year does not have four digits.
pub(crate) fn utc(seconds: i64) -> String {
    let (days, time) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    if !(0..=9999).contains(&year) {
        return seconds.to_string();
    }
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days from 1970-01-01. Years begin in March here, so that leap days come last.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 719_468
}

/// The other way round.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_in_many_forms() {
        for (text, date) in [
            ("0", Date::At(0)),
            ("-1", Date::At(-1)),
            ("1970-01-02", Date::At(DAY)),
            ("2000-02-29T12:00:01Z", Date::At(951_825_601)),
            ("2026-11-21 10:00:00Z", Date::At(1_795_255_200)),
            ("now", Date::Now),
            ("none", Date::None),
        ] {
            assert_eq!(text.parse(), Ok(date), "{text}");
        }
        for text in [
            "",
            "today",
            "2026-02-30",
            "2026-13-01",
            "2026-11-21T10:00:00",
            "2026-11-21T24:00:00Z",
            "26-1-1",
            "2026-11-21-1",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_epoch_is_an_integer_or_a_failure() {
        assert_eq!((epoch("77"), epoch("-1")), (Ok(77), Ok(-1)));
        for text in ["", "abc", "1.5", " 77", "0x10", "99999999999999999999"] {
            assert!(epoch(text).unwrap_err().contains("SOURCE_DATE_EPOCH"), "{text}");
        }
    }

    #[test]
    fn every_day_there_and_back() {
        for day in -800_000..3_000_000 {
            let (year, month, date) = civil(day);
            assert_eq!(days_before(year, month, date), day);
        }
        assert_eq!(utc(951_825_601), "2000-02-29T12:00:01Z");
        assert_eq!(utc(-1), "1969-12-31T23:59:59Z");
        assert_eq!(utc(i64::MAX), i64::MAX.to_string());
    }
}
