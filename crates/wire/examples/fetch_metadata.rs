//! Fetches the metadata of a torrent from one peer: `cargo run --example fetch_metadata -- 127.0.0.1:6881 INFO_HASH`.

use std::{env, error::Error};

use torrent_types::InfoHash;
use torrent_wire::{FetchOptions, fetch_metadata};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [peer, info_hash] = &arguments[..] else { return Err("usage: fetch_metadata ADDRESS INFO_HASH".into()) };
    let info_hash: InfoHash = info_hash.parse()?;
    let info = fetch_metadata(peer.parse()?, info_hash, &FetchOptions::default()).await?;
    println!("{} bytes, and the hash is right", info.len());
    Ok(())
}
