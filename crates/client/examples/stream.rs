//! Writes the largest file of a torrent to stdout while it downloads:
//! `cargo run -p torrent-client --example stream -- 'magnet:?xt=…' | mpv -`

use std::{env, error::Error};

use torrent_client::{AddTorrent, Client, Config, Magnet, Phase};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let magnet: Magnet = env::args().nth(1).ok_or("which link?")?.parse()?;
    let folder = env::temp_dir().join("torrent-stream");

    let client = Client::start(Config::default()).await?;
    let torrent = client.add(AddTorrent::magnet(magnet, folder))?;
    torrent.wait_for(|phase| phase != Phase::Metadata).await;

    let files = torrent.files();
    let file = files.iter().max_by_key(|file| file.length()).ok_or("the torrent has no file")?;
    eprintln!("{}: {} bytes", file.path(), file.length());

    // Only what is ahead of the reader is fetched.
    let mut reader = file.reader();
    tokio::io::copy(&mut reader, &mut tokio::io::stdout()).await?;

    client.stop().await;
    Ok(())
}
