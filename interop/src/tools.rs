//! Finding the programs that a test runs. What is missing skips the test, except where `TORRENT_INTEROP_STRICT=1` says that
//! everything has been installed: there it fails it.

use std::{
    env,
    net::TcpListener,
    path::{Path, PathBuf},
};

use crate::ADDRESS;

/// Whether this is the namespace that `.ci/interop` makes. Says so if not.
#[must_use]
pub fn in_sandbox() -> bool {
    let inside = TcpListener::bind((ADDRESS, 0)).is_ok();
    if !inside {
        let _: Option<()> = skip("the network namespace of .ci/interop");
    }
    inside
}

/// The `torrent` command of this workspace: `$TORRENT_BIN`, or what was built last.
#[must_use]
pub fn our_command() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let built = [target.join("release/torrent"), target.join("debug/torrent")];
    let found = env::var_os("TORRENT_BIN").map(PathBuf::from).into_iter().chain(built).find(|path| path.is_file());
    found.or_else(|| skip("torrent"))
}

/// A file below the cache of `.ci/install-peers`.
#[must_use]
pub fn cached(name: &str, path: &str) -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache/torrent-peers"));
    let found = env::var_os("PEERS_DIR").map(PathBuf::from).or_else(home).map(|cache| cache.join(path));
    found.filter(|path| path.is_file()).or_else(|| skip(name))
}

/// A program in `$PATH`.
#[must_use]
pub fn installed(name: &str) -> Option<PathBuf> {
    let paths = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&paths).map(|folder| folder.join(name)).find(|path| path.is_file()).or_else(|| skip(name))
}

fn skip<T>(name: &str) -> Option<T> {
    assert!(env::var_os("TORRENT_INTEROP_STRICT").is_none(), "{name} is not installed");
    eprintln!("skipped: {name} is not installed");
    None
}
