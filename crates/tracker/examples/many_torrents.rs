//! Ten thousand torrents announced by one scheduler: a heap of deadlines and no task per torrent. This is how a client drives
//! [`Tiers`]; here against a tracker in the same process.
//!
//! `cargo run --release -p torrent-tracker --example many_torrents`

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    error::Error,
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time};
use torrent_tracker::{
    AnnounceRequest, AnnounceResponse, AnnounceTo, Client, Config, Content, Error as TrackerError, Event, Schedule,
    Ticket, Tiers, Trust, server::Server,
};
use torrent_types::InfoHash;

const TORRENTS: u32 = 10_000;

struct Torrent {
    info_hash: InfoHash,
    tiers: Tiers,
    /// The deadline for which it is in the heap.
    alarm: Option<Instant>,
}

type Outcome = (usize, Ticket, Result<AnnounceResponse, TrackerError>);

struct Scheduler {
    client: Client,
    torrents: Vec<Torrent>,
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    announces: JoinSet<Outcome>,
}

impl Scheduler {
    /// Call it after everything that was told to a torrent's tiers.
    fn settle(&mut self, number: usize) {
        let Some(torrent) = self.torrents.get_mut(number) else { return };
        while let Some(due) = torrent.tiers.poll_announce() {
            let mut request = AnnounceRequest::new(torrent.info_hash, (*b"-RT0001-many-torrent").into(), 6881);
            request.left = Some(0);
            due.apply(&mut request);
            let client = self.client.clone();
            self.announces.spawn(async move { (number, due.ticket, client.announce(&due.url, &request).await) });
        }
        let deadline = torrent.tiers.poll_timeout();
        if deadline.is_some_and(|deadline| torrent.alarm.is_none_or(|alarm| deadline < alarm)) {
            torrent.alarm = deadline;
            self.heap.extend(deadline.map(|deadline| Reverse((deadline, number))));
        }
    }

    /// Runs until no announce is under way.
    async fn run(&mut self) -> (u32, u32) {
        let (mut answered, mut failed) = (0, 0);
        loop {
            let next = self.heap.peek().map(|Reverse((at, _))| time::Instant::from_std(*at));
            let alarm = time::sleep_until(next.unwrap_or_else(|| time::Instant::now() + Duration::from_secs(3600)));
            tokio::select! {
                outcome = self.announces.join_next() => {
                    let Some(Ok((number, ticket, outcome))) = outcome else { return (answered, failed) };
                    let tiers = &mut self.torrents[number].tiers;
                    match outcome {
                        Ok(response) => {
                            tiers.handle_response(now(), ticket, &response);
                            answered += 1;
                        }
                        Err(error) => {
                            tiers.handle_failure(now(), ticket, &error);
                            failed += 1;
                        }
                    }
                    self.settle(number);
                }
                () = alarm => {
                    let Some(Reverse((_, number))) = self.heap.pop() else { continue };
                    self.torrents[number].alarm = None;
                    self.torrents[number].tiers.handle_timeout(now());
                    self.settle(number);
                }
            }
        }
    }

    fn each(&mut self, act: fn(&mut Tiers, Instant)) {
        for number in 0..self.torrents.len() {
            act(&mut self.torrents[number].tiers, now());
            self.settle(number);
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::bind("127.0.0.1:0").await?;
    let torrents = (0..TORRENTS).map(|number| {
        let mut hash = [7; 20];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        let tiers = [[server.udp_url()], [server.http_url()]];
        let tiers = Tiers::new(tiers, Trust::User, AnnounceTo::FirstAnswer, Schedule::default(), number.into());
        Torrent { info_hash: hash.into(), tiers, alarm: None }
    });
    let mut scheduler = Scheduler {
        client: Client::new(Config::default()),
        torrents: torrents.collect(),
        heap: BinaryHeap::new(),
        announces: JoinSet::new(),
    };

    let began = now();
    scheduler.each(|tiers, now| tiers.handle_start(now, Content::Complete));
    let (answered, failed) = scheduler.run().await;
    println!("{:?}: {answered} answers to `{}`, {failed} failures", began.elapsed(), Event::Started.as_str());
    println!("{:?}", server.stats());

    let began = now();
    scheduler.each(Tiers::handle_stop);
    let (answered, failed) = scheduler.run().await;
    println!("{:?}: {answered} answers to `{}`, {failed} failures", began.elapsed(), Event::Stopped.as_str());
    println!("{:?}", server.stats());
    Ok(())
}

/// The client's clock.
fn now() -> Instant {
    time::Instant::now().into_std()
}
