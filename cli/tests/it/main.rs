//! The built command, as a shell would run it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bencode;
mod cases;
mod create;
mod dht;
mod download;
mod edit;
mod encryption;
mod read;
mod streams;
mod terminal;
mod tracker;
mod verify;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value as Json;
use tempfile::TempDir;

/// A folder to run commands in, removed at the end.
struct Folder(TempDir);

/// What a command has left behind.
struct Done {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The names in it, in order.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_torrent"));
        command.args(arguments).current_dir(self.0.path()).env_remove("SOURCE_DATE_EPOCH").env_remove("RUST_LOG");
        // Tests reach nobody outside of this machine.
        command.env("TORRENT_NO_DHT", "true");
        command
    }

    fn run(&self, arguments: &[&str]) -> Done {
        self.run_with(arguments, b"")
    }

    fn run_with(&self, arguments: &[&str], stdin: &[u8]) -> Done {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut pipe = child.stdin.take().unwrap();
        let stdin = stdin.to_vec();
        // It need not read all of it.
        let writer = std::thread::spawn(move || drop(pipe.write_all(&stdin)));
        let output = child.wait_with_output().expect("it ends");
        writer.join().unwrap();
        Done {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("text on stderr"),
        }
    }

    /// A v1 torrent of two files, and the files: `t.torrent` and `album/`.
    fn album(&self) {
        self.write("album/1.flac", content(40_000, 1));
        self.write("album/2.flac", content(50_000, 2));
        let arguments = "create -q --format v1 -l 16k -a http://tracker.example/announce --comment old --date 0 \
                         --no-created-by -o t.torrent album";
        self.run(&arguments.split_whitespace().collect::<Vec<_>>()).ok();
    }
}

impl Done {
    /// It went well. Gives what it printed.
    #[track_caller]
    fn ok(&self) -> &[u8] {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        &self.stdout
    }

    #[track_caller]
    fn text(&self) -> &str {
        std::str::from_utf8(self.ok()).unwrap()
    }

    #[track_caller]
    fn json(&self) -> Json {
        serde_json::from_slice(self.ok()).unwrap()
    }

    /// It went wrong with this code, one line on stderr, and nothing on stdout. Gives the line.
    #[track_caller]
    fn fails(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert_eq!(String::from_utf8_lossy(&self.stdout), "");
        let line = self.stderr.strip_suffix('\n').unwrap();
        assert!(!line.contains('\n') && line.starts_with("torrent: "), "{line:?}");
        line
    }
}

/// Bytes that differ with the seed.
fn content(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(31).wrapping_add(seed * 7) % 251) as u8).collect()
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn str_of(path: &Path) -> &str {
    path.to_str().unwrap()
}
