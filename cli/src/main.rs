//! The `torrent` command.

fn main() {}
