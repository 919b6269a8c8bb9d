//! A process that does not outlive its test.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::until;

/// For one connection, which a client whose queue is full would not answer for minutes.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(5);

/// A running process, killed when dropped. What it says goes to files, which are shown if the test panics.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command`; `logs` is where its output goes, as `<name>.out` and `<name>.err`.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(name: &str, mut command: Command, logs: &Path) -> Self {
        let (stdout, stderr) = (logs.join(format!("{name}.out")), logs.join(format!("{name}.err")));
        let log = |path| File::create(path).expect("a log file");
        command.stdin(Stdio::null()).stdout(log(&stdout)).stderr(log(&stderr));
        let child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { name: name.to_owned(), child, stdout, stderr }
    }

    /// By which the system knows it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let status = until(|| self.child.try_wait().expect("a child that can be waited for"));
        match status {
            Some(status) => status,
            None => panic!("{} does not end", self.name),
        }
    }

    /// Waits until somebody listens at `address`.
    ///
    /// # Panics
    /// If that does not happen while the process runs.
    #[track_caller]
    pub fn wait_for_listener(&mut self, address: SocketAddr) {
        let listens = until(|| match TcpStream::connect_timeout(&address, ATTEMPT) {
            Ok(_) => Some(true),
            Err(_) if self.is_running() => None,
            Err(_) => Some(false),
        });
        assert!(listens == Some(true), "{} does not listen at {address}", self.name);
    }

    /// Asks it to end, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal("-INT");
    }

    /// As [`interrupt`](Self::interrupt), and waits for it.
    ///
    /// # Panics
    /// If it does not end, or not well.
    #[track_caller]
    pub fn end(&mut self) {
        self.interrupt();
        assert_eq!(self.wait().code(), Some(0), "{}", self.name);
    }

    /// Makes a daemon read its configuration again.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args([signal, &pid]).status();
    }

    /// What it has printed on stdout.
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stdout).unwrap_or_default()).into_owned()
    }

    /// What it has printed on stderr.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            for (stream, text) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
                eprintln!("--- {} {stream} ---\n{}", self.name, last_lines(&text));
            }
        }
    }
}

/// The last 40 lines, without those that a progress display wrote over each other.
fn last_lines(text: &str) -> String {
    let mut lines: Vec<_> = text.lines().rev().map(|line| line.rsplit('\r').next().unwrap_or(line)).take(40).collect();
    lines.reverse();
    lines.join("\n")
}
