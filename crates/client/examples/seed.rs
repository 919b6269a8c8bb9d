//! Makes a torrent of a file or folder and seeds it until Ctrl-C: `cargo run -p torrent-client --example seed -- PATH`

use std::{env, error::Error, path::PathBuf};

use torrent_client::{AddTorrent, Client, Config, Phase};
use torrent_content::Builder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path: PathBuf = env::args_os().nth(1).ok_or("which file or folder?")?.into();
    let path = path.canonicalize()?;
    let metainfo = Builder::new().build(&path)?;
    println!("{}", metainfo.magnet());

    let client = Client::start(Config::default()).await?;
    let folder = path.parent().ok_or("the path has no folder")?;
    let torrent = client.add(AddTorrent::new(metainfo, folder))?;
    torrent.wait_for(|phase| phase == Phase::Seeding).await;
    println!("seeding on port {}", client.port());

    let mut events = torrent.events();
    loop {
        tokio::select! {
            event = events.recv() => println!("{event:?}"),
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    client.stop().await;
    Ok(())
}
