//! Announces a torrent to its trackers, prints the peers that they name, and leaves again.
//!
//! `cargo run -p torrent-tracker --example announce -- INFO_HASH TRACKER_URL...`

use std::{env, error::Error};

use torrent_tracker::{Amounts, AnnounceRequest, AnnounceTo, Announcer, Client, Config, Schedule, Tiers, Trust};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let info_hash = arguments.next().ok_or("usage: announce INFO_HASH TRACKER_URL...")?.parse()?;
    // Each tracker is a tier of its own, and all of them are asked.
    let tiers = arguments.map(|url| [url]);
    let tiers = Tiers::new(tiers, Trust::User, AnnounceTo::AllTrackers, Schedule::default(), 1);
    for skipped in tiers.skipped() {
        eprintln!("{}: {}", skipped.text, skipped.reason);
    }
    let count = tiers.trackers().count();

    let request = AnnounceRequest::new(info_hash, (*b"-RT0001-an-example--").into(), 6881);
    // Nothing has been transferred, and without metadata nobody knows how much there is.
    let (announcer, mut outcomes) = Announcer::spawn(Client::new(Config::default()), tiers, request, Amounts::default);
    for _ in 0..count {
        let Some(announced) = outcomes.recv().await else { break };
        match announced.outcome {
            Ok(answer) => {
                println!("{}: {} peers, again in {:?}", announced.url, answer.peers.len(), answer.interval);
                for peer in answer.peers.iter().filter(|peer| answer.scope.may_name(**peer)) {
                    println!("  {peer}");
                }
            }
            Err(error) => eprintln!("{}: {error}", announced.url),
        }
    }
    announcer.stop().await;
    Ok(())
}
