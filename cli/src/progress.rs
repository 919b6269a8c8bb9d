//! How far torrents are, on stderr: a line for each at the bottom of a terminal, plain lines every few seconds elsewhere.
//! What trackers complain about is said once, above. Never: stdout.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use torrent_client::{Client, Event, Phase, Stats, Torrent};
use torrent_types::InfoHash;

use crate::{network, table::clean, units};

/// Between two looks at the torrents on a terminal.
const BAR_INTERVAL: Duration = Duration::from_millis(200);
/// Between two plain lines of a torrent.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// Lines shown at a time; of more torrents than that, those that came first.
const MAX_BARS: usize = 20;
/// Characters of a name in a line.
const NAME_LENGTH: usize = 24;
/// Characters between the brackets of a bar.
const BAR_LENGTH: u64 = 20;

static BARS: LazyLock<MultiProgress> =
    LazyLock::new(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));

/// How to show progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Style {
    /// A bar on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// A bar per torrent.
    Bar,
    /// A line per torrent every few seconds.
    Plain,
    /// Nothing.
    None,
}

/// Whether bars can be drawn: a dumb terminal cannot go back in a line.
pub(crate) fn on_terminal() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Log lines go above the bars.
pub(crate) fn log_writer() -> impl Write {
    struct AboveBars;
    impl Write for AboveBars {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            BARS.suspend(|| io::stderr().write(bytes))
        }

        fn flush(&mut self) -> io::Result<()> {
            io::stderr().flush()
        }
    }
    AboveBars
}

/// A line that stays, above the bars.
pub(crate) fn say(line: &str) {
    BARS.suspend(|| eprintln!("{line}"));
}

/// The torrents that are shown. Clones show the same.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    style: Style,
    rows: Arc<Mutex<BTreeMap<InfoHash, Row>>>,
}

#[derive(Debug)]
struct Row {
    torrent: Torrent,
    bar: Option<ProgressBar>,
    /// What a tracker said when it last refused.
    complaint: Option<String>,
}

impl Board {
    pub(crate) fn new(style: Style) -> Self {
        Self { style, rows: Arc::default() }
    }

    /// Says a line, unless nothing is to be said.
    pub(crate) fn say(&self, line: &str) {
        if self.style != Style::None {
            say(line);
        }
    }

    /// Shows a torrent until it is [removed](Self::remove).
    pub(crate) fn add(&self, torrent: &Torrent) {
        let mut rows = self.rows();
        let bar = (self.has_bars() && rows.len() < MAX_BARS).then(|| {
            let style = ProgressStyle::with_template("{wide_msg}").expect("the template is right");
            BARS.add(ProgressBar::new(0).with_style(style))
        });
        rows.insert(torrent.info_hash(), Row { torrent: torrent.clone(), bar, complaint: None });
    }

    /// The torrent has ended.
    pub(crate) fn remove(&self, torrent: &Torrent) {
        if let Some(bar) = self.rows().remove(&torrent.info_hash()).and_then(|row| row.bar) {
            bar.finish_and_clear();
            BARS.remove(&bar);
        }
    }

    /// Shows torrents for as long as it is polled.
    pub(crate) async fn run(&self, client: &Client) {
        if self.style == Style::None {
            return std::future::pending().await;
        }
        let interval = if self.has_bars() { BAR_INTERVAL } else { LINE_INTERVAL };
        let mut ticks = tokio::time::interval(interval);
        let mut events = client.events();
        ticks.tick().await;
        loop {
            tokio::select! {
                _ = ticks.tick() => self.draw(),
                complaint = complaint(&mut events) => self.complain(complaint),
            }
        }
    }

    fn draw(&self) {
        for row in self.rows().values() {
            match &row.bar {
                Some(bar) => bar.set_message(bar_line(row)),
                None if self.has_bars() => {}
                None => eprintln!("{}", plain_line(row)),
            }
        }
    }

    fn complain(&self, Complaint { info_hash, url, reason }: Complaint) {
        let line = {
            let mut rows = self.rows();
            let Some(row) = rows.get_mut(&info_hash) else { return };
            let text = format!("{}: {}", clean(&url), clean(&reason));
            if row.complaint.as_ref() == Some(&text) {
                return;
            }
            row.complaint = Some(text.clone());
            format!("{}: tracker {text}", name(&row.torrent))
        };
        say(&line);
    }

    fn has_bars(&self) -> bool {
        self.style == Style::Bar || (self.style == Style::Auto && on_terminal())
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<InfoHash, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a tracker has against a torrent.
struct Complaint {
    info_hash: InfoHash,
    url: Arc<str>,
    reason: Arc<str>,
}

/// The next one.
async fn complaint(events: &mut Receiver<(InfoHash, Event)>) -> Complaint {
    loop {
        match events.recv().await {
            Ok((info_hash, Event::TrackerFailed { url, reason })) => return Complaint { info_hash, url, reason },
            Ok((info_hash, Event::TrackerAnswered { url, warning: Some(reason), .. })) => {
                return Complaint { info_hash, url, reason };
            }
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// What to call a torrent in messages.
pub(crate) fn name(torrent: &Torrent) -> String {
    clean(&torrent.name())
}

/// What a row says before it is cut to the width of the terminal: what matters most comes first.
fn bar_line(row: &Row) -> String {
    let stats = row.torrent.stats();
    let name: String = name(&row.torrent).chars().take(NAME_LENGTH).collect();
    match row.torrent.phase() {
        Phase::Metadata => format!("{name}: {}", describe(row, &stats)),
        phase => {
            let (done, total) = match phase {
                Phase::Checking { done, total } => (u64::from(done), u64::from(total)),
                _ => (stats.verified + stats.partial, stats.total),
            };
            let full = part(done, total, BAR_LENGTH) as usize;
            let rest = BAR_LENGTH as usize - full;
            let bar = format!("{}{}", "=".repeat(full), " ".repeat(rest));
            format!("{name} [{bar}] {:>3}% {}", part(done, total, 100), describe(row, &stats))
        }
    }
}

fn plain_line(row: &Row) -> String {
    let (name, stats) = (name(&row.torrent), row.torrent.stats());
    if row.torrent.phase() == Phase::Metadata {
        return format!("{name}: {}", describe(row, &stats));
    }
    let done = stats.verified + stats.partial;
    let percent = part(done, stats.total, 100);
    format!("{name}: {percent}% of {} ({}) {}", units::size(stats.total), units::size(done), describe(row, &stats))
}

/// How many of `parts` are done. All of nothing is all.
fn part(done: u64, total: u64, parts: u64) -> u64 {
    let part = u128::from(done.min(total)) * u128::from(parts);
    part.checked_div(u128::from(total)).map_or(parts, |part| part as u64)
}

/// Rates, time left, peers, and how many there are in the swarm; or what it waits for.
fn describe(row: &Row, stats: &Stats) -> String {
    let torrent = &row.torrent;
    let why = match &row.complaint {
        Some(complaint) if stats.peers == 0 => format!(", tracker {complaint}"),
        _ => String::new(),
    };
    // A rate is a mean of some seconds, and says nothing once there is nobody to be fast.
    let (down, up) = if stats.peers == 0 { (0, 0) } else { (stats.down_rate, stats.up_rate) };
    match torrent.phase() {
        Phase::Metadata => format!("asking {} peers for the metadata{why}", stats.peers),
        Phase::Checking { done, total } => format!("checking {done}/{total}"),
        Phase::Leaving => "stopping".to_owned(),
        Phase::Seeding => {
            let swarm = network::swarm_size(torrent);
            format!("up {}, {} peers{swarm}{why}", units::rate(up), stats.peers)
        }
        _ => {
            let eta = units::eta(stats.total.saturating_sub(stats.verified + stats.partial), down);
            let (down, up) = (units::rate(down), units::rate(up));
            format!("down {down} ETA {eta}, {} peers, up {up}{}{why}", stats.peers, network::swarm_size(torrent))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_anything_stay_in_range() {
        assert_eq!(
            [part(0, 0, 100), part(1, 3, 100), part(5, 3, 20), part(u64::MAX, u64::MAX, 100)],
            [100, 33, 20, 100]
        );
    }
}
