//! How far torrents are, on stderr: bars on a terminal, a plain line every few seconds elsewhere. Never: stdout.

use std::{
    io::{self, IsTerminal, Write},
    sync::LazyLock,
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use torrent_client::{Phase, Torrent};

use crate::{session, units};

/// Between two looks at a torrent on a terminal.
const BAR_INTERVAL: Duration = Duration::from_millis(200);
/// Between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

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

/// Whether bars can be drawn.
pub(crate) fn on_terminal() -> bool {
    io::stderr().is_terminal()
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

/// Shows a torrent for as long as it is awaited, which is for ever.
pub(crate) async fn show(style: Style, name: &str, torrent: &Torrent) {
    let bars = style == Style::Bar || (style == Style::Auto && on_terminal());
    match style {
        Style::None => std::future::pending().await,
        _ if bars => show_bar(name, torrent).await,
        _ => show_lines(name, torrent).await,
    }
}

async fn show_bar(name: &str, torrent: &Torrent) {
    let template = "{prefix} [{bar:30}] {percent:>3}% {binary_bytes}/{binary_total_bytes} {msg}";
    let style = ProgressStyle::with_template(template).expect("the template is right").progress_chars("=> ");
    let bar = ClearOnDrop(BARS.add(ProgressBar::new(torrent.stats().total).with_style(style)));
    bar.0.set_prefix(short(name).to_owned());
    let mut ticks = tokio::time::interval(BAR_INTERVAL);
    loop {
        ticks.tick().await;
        let stats = torrent.stats();
        bar.0.set_position(stats.verified + stats.partial);
        bar.0.set_message(describe(torrent));
    }
}

struct ClearOnDrop(ProgressBar);

impl Drop for ClearOnDrop {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        BARS.remove(&self.0);
    }
}

async fn show_lines(name: &str, torrent: &Torrent) {
    let mut ticks = tokio::time::interval(LINE_INTERVAL);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let stats = torrent.stats();
        let percent = (stats.verified + stats.partial) * 100 / stats.total.max(1);
        let (done, total) = (units::size(stats.verified + stats.partial), units::size(stats.total));
        eprintln!("{name}: {percent}% of {total} ({done}) {}", describe(torrent));
    }
}

/// Rates, time left, peers, and how many there are in the swarm.
fn describe(torrent: &Torrent) -> String {
    let stats = torrent.stats();
    match torrent.phase() {
        Phase::Checking { done, total } => format!("checking {done}/{total}"),
        Phase::Seeding => {
            let swarm = session::swarm_size(torrent);
            format!("up {} {} peers{swarm}", units::rate(stats.up_rate), stats.peers)
        }
        _ => {
            let rest = stats.total.saturating_sub(stats.verified + stats.partial);
            let eta = units::eta(rest, stats.down_rate);
            format!(
                "down {} up {} ETA {eta} {} peers{}",
                units::rate(stats.down_rate),
                units::rate(stats.up_rate),
                stats.peers,
                session::swarm_size(torrent)
            )
        }
    }
}

/// The beginning of a long name.
fn short(name: &str) -> &str {
    name.char_indices().nth(30).map_or(name, |(end, _)| &name[..end])
}
