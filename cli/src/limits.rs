//! How large the torrents and bencoded files are that commands read. Set once, when the command begins.

use std::{fmt, sync::OnceLock};

use torrent_bencode::Options;
use torrent_metainfo::{ErrorKind, Limits};

use crate::{units, values::Size};

static LIMITS: OnceLock<Limits> = OnceLock::new();

/// Options that every command has.
#[derive(Debug, clap::Args)]
pub(crate) struct LimitOptions {
    /// Read torrents of up to this size [default: 256MiB]
    #[arg(long, global = true, value_name = "SIZE", display_order = crate::LAST)]
    max_torrent_size: Option<Size>,
    /// Read torrents of up to this many values; each takes 8 bytes of memory [default: 16777216]
    #[arg(long, global = true, value_name = "N", display_order = crate::LAST)]
    max_torrent_values: Option<usize>,
}

impl LimitOptions {
    /// Makes them those of the command.
    pub(crate) fn install(&self) {
        let mut limits = Limits::default();
        if let Some(Size(bytes)) = self.max_torrent_size {
            limits = limits.max_bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        if let Some(values) = self.max_torrent_values {
            limits = limits.max_values(values);
        }
        // Set by nobody else.
        let _ = LIMITS.set(limits);
    }
}

/// What is read at most.
pub(crate) fn get() -> Limits {
    LIMITS.get().copied().unwrap_or_default()
}

/// The same for bencoding that is no torrent.
pub(crate) fn bencode(options: Options) -> Options {
    options.max_bytes(get().bytes()).max_tokens(get().values())
}

/// More bytes than are read.
pub(crate) fn too_long(found: u64) -> impl fmt::Display {
    let limit = units::size(get().bytes() as u64);
    // In whole MiB, so that the number is one that people type.
    let enough = found.div_ceil(1 << 20);
    format!("{}, and no more than {limit} are read: --max-torrent-size {enough}MiB reads it", units::size(found))
}

/// More bytes than are read, and nobody knows how many.
pub(crate) fn endless() -> impl fmt::Display {
    format!("more than the {} that are read: --max-torrent-size SIZE reads more", units::size(get().bytes() as u64))
}

/// More values than are read.
pub(crate) fn too_many_values() -> impl fmt::Display {
    format!("more than the {} values that are read: --max-torrent-values N reads more", get().values())
}

/// An error of reading, with the option that moves the limit.
pub(crate) fn explain(error: &torrent_metainfo::Error) -> String {
    match error.kind() {
        ErrorKind::TooLong { found, .. } => too_long(*found as u64).to_string(),
        ErrorKind::TooManyValues { .. } => too_many_values().to_string(),
        ErrorKind::PieceLength(_) => format!("{error}; {}", PIECE_LENGTHS),
        _ => error.to_string(),
    }
}

/// The same for bencoding that is no torrent.
pub(crate) fn explain_bencode(error: &torrent_bencode::Error) -> String {
    match error.kind() {
        torrent_bencode::ErrorKind::TokenLimit => too_many_values().to_string(),
        _ => error.to_string(),
    }
}

/// What a piece length may be.
pub(crate) const PIECE_LENGTHS: &str = "v2 and hybrid torrents have pieces of 16KiB, 32KiB and so on, doubling, to 512MiB; v1 torrents of 1 byte to 512MiB";
