//! What the operating system allows one process.

/// How many files the process may have open, sockets among them. The disk has raised that before as far as it goes.
/// `None` where there is no such limit.
#[cfg(unix)]
pub(crate) fn open_files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Windows counts handles by the million.
#[cfg(not(unix))]
pub(crate) fn open_files() -> Option<u64> {
    None
}
