//! Downloads a magnet link: `cargo run -p torrent-client --example download -- 'magnet:?xt=…' FOLDER`

use std::{env, error::Error, time::Duration};

use torrent_client::{AddTorrent, Client, Config, Magnet, Phase};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let magnet: Magnet = arguments.next().ok_or("which link?")?.parse()?;
    let folder = arguments.next().unwrap_or_else(|| ".".to_owned());

    let client = Client::start(Config::default()).await?;
    let torrent = client.add(AddTorrent::magnet(magnet, folder))?;
    torrent.download_all();

    let done = torrent.wait_for(Phase::is_finished);
    tokio::pin!(done);
    loop {
        tokio::select! {
            phase = &mut done => {
                println!("{}: {phase:?}", torrent.name());
                break;
            }
            () = tokio::time::sleep(Duration::from_secs(1)) => {
                let stats = torrent.stats();
                println!("{}: {} of {} bytes, {} peers", torrent.name(), stats.verified, stats.total, stats.peers);
            }
        }
    }
    client.stop().await;
    Ok(())
}
