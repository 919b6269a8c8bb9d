//! Long work on files: a bar or lines on stderr, and Ctrl-C. In: blocking work that reports bytes and can be told to stop.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use torrent_content::verify::Progress;

use crate::{
    commands::block_on,
    exit::{Code, Failure, Outcome},
    interrupt::interrupted,
    output,
    progress::{self, Style},
    units,
};

/// Between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// What the work reports to.
pub(crate) type Report<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// Runs the work on a thread of its own until it is done. The first Ctrl-C makes it stop at the next report; the second
/// ends everything.
pub(crate) fn run<T: Send + 'static>(
    style: Style,
    verb: &'static str,
    total: u64,
    work: impl FnOnce(Report<'_>) -> Outcome<T> + Send + 'static,
) -> Outcome<T> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let work = blocking(move || {
        let mut display = Display::new(style, verb, total);
        work(&mut |state| {
            display.show(state.done);
            if stopped.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    });
    block_on(async {
        tokio::pin!(work);
        tokio::select! {
            // First, so that it listens before the work begins.
            biased;
            () = interrupted() => {}
            outcome = &mut work => return outcome,
        }
        stop.store(true, Ordering::Relaxed);
        match work.await {
            Err(failure) if failure.code() != Code::Interrupted => Err(failure),
            _ => Err(Failure::message(Code::Interrupted, "interrupted")),
        }
    })
}

/// The same for work that cannot be told to stop. The first Ctrl-C leaves it behind.
pub(crate) fn run_or_leave<T: Send + 'static>(work: impl FnOnce() -> Outcome<T> + Send + 'static) -> Outcome<T> {
    block_on(async {
        tokio::select! {
            biased;
            () = interrupted() => Err(Failure::message(Code::Interrupted, "interrupted")),
            outcome = blocking(work) => outcome,
        }
    })
}

/// Begins when it is first polled.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Outcome<T> + Send + 'static) -> Outcome<T> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

enum Display {
    Bar(ProgressBar),
    Lines { verb: &'static str, total: u64, since: Since },
    Nothing,
}

impl Display {
    fn new(style: Style, verb: &'static str, total: u64) -> Self {
        match style {
            Style::None => Self::Nothing,
            // Short work in a script needs no line.
            Style::Auto if !progress::on_terminal() => Self::Lines { verb, total, since: Since::now() },
            Style::Plain => {
                output::note(format_args!("{verb} {}", units::size(total)));
                Self::Lines { verb, total, since: Since::now() }
            }
            _ => {
                let template = "{prefix} [{wide_bar}] {percent:>3}% {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} ETA {eta}";
                let style = ProgressStyle::with_template(template).expect("the template is right");
                let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
                bar.set_style(style.progress_chars("=> "));
                bar.set_prefix(verb);
                Self::Bar(bar)
            }
        }
    }

    fn show(&mut self, done: u64) {
        match self {
            Self::Bar(bar) => bar.set_position(done),
            Self::Lines { verb, total, since } if since.elapsed() >= LINE_INTERVAL => {
                let percent = u128::from(done) * 100 / u128::from(*total).max(1);
                output::note(format_args!("{verb} {}: {percent}%", units::size(*total)));
                *since = Since::now();
            }
            Self::Lines { .. } | Self::Nothing => {}
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// A moment on the clock.
struct Since(std::time::Instant);

impl Since {
    #[expect(clippy::disallowed_methods, reason = "lines for people come by the clock")]
    fn now() -> Self {
        Self(std::time::Instant::now())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
