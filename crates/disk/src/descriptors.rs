//! How many files the process may have open, and how many of these are for torrents' files. The others are for sockets.

/// What is kept open where the system does not say how much it allows.
const UNKNOWN: u64 = 256;
/// More open files than this save nothing.
const MOST: u64 = 4096;

/// Raises the soft limit to the hard one; a quarter of it is for files.
#[cfg(unix)]
pub(crate) fn share() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let soft = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        // Some systems do not allow as much as they say; then it stays as it was.
        Err(_) => limit.current,
    };
    of(soft.unwrap_or(u64::MAX))
}

#[cfg(not(unix))]
pub(crate) fn share() -> usize {
    of(UNKNOWN * 4)
}

fn of(limit: u64) -> usize {
    usize::try_from((limit / 4).clamp(1, MOST)).unwrap_or(usize::try_from(UNKNOWN).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_for_files() {
        assert_eq!(of(1024), 256);
        assert_eq!(of(3), 1);
        assert_eq!(of(u64::MAX), 4096);
    }
}
