//! How many files this process may open, raised as far as the system allows: each HTTP connection is one.

/// Open files besides connections: sockets of the tracker, the runtime, standard streams, and what the rest of the program needs.
const RESERVE: u64 = 64;

/// Raises the soft limit of open files for `connections`, and gives how many of them it has room for.
pub(super) fn make_room(connections: usize) -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let limit = getrlimit(Resource::Nofile);
        let (soft, room) = plan(connections, limit.current, limit.maximum);
        if let Some(soft) = soft
            && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(soft), maximum: limit.maximum })
        {
            tracing::debug!(%error, "the limit of open files stays as it is");
            return plan(connections, limit.current, limit.current).1;
        }
        room
    }
    #[cfg(not(unix))]
    connections
}

/// The soft limit to set, if it is too low, and the connections that there is room for then. `None` is no limit.
#[cfg(any(unix, test))]
fn plan(connections: usize, soft: Option<u64>, hard: Option<u64>) -> (Option<u64>, usize) {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(RESERVE);
    match soft {
        Some(soft) if soft < wanted => {
            let raised = hard.map_or(wanted, |hard| hard.min(wanted)).max(soft);
            let room = usize::try_from(raised.saturating_sub(RESERVE)).unwrap_or(usize::MAX).max(1);
            ((raised > soft).then_some(raised), room.min(connections))
        }
        _ => (None, connections),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_needed_and_allowed() {
        for (soft, hard, expected) in [
            (Some(1024), Some(4096), (Some(4096), 4032)),
            (Some(1024), Some(1 << 20), (Some(10_064), 10_000)),
            (Some(1024), None, (Some(10_064), 10_000)),
            (Some(1024), Some(1024), (None, 960)),
            (Some(1 << 20), Some(1 << 20), (None, 10_000)),
            (None, None, (None, 10_000)),
            (Some(10), Some(10), (None, 1)),
        ] {
            assert_eq!(plan(10_000, soft, hard), expected, "{soft:?} {hard:?}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn there_is_room_for_what_is_asked() {
        assert_eq!(make_room(100), 100);
    }
}
