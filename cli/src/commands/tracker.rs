//! `torrent tracker`: a tracker, until interrupted.

use std::{net::SocketAddr, time::Duration};

use torrent_tracker::server::{Server, ServerConfig};

use crate::{
    exit::{Code, Failure, Outcome},
    interrupt::interrupted,
    output,
};

const EXAMPLES: &str = "\
Examples:
  torrent tracker
  torrent tracker --listen '[::]:6969' --interval 600

Prints its announce URLs, one a line. Swarms live in memory: a tracker that is started again knows nobody.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Tracker {
    /// Where to listen, over HTTP and UDP. Only this machine reaches the default.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6969")]
    listen: SocketAddr,
    /// Seconds between a peer's announces.
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, value_parser = clap::value_parser!(u32).range(1..))]
    interval: u32,
}

impl Tracker {
    pub(crate) async fn run(self, quiet: bool) -> Outcome {
        let mut config = ServerConfig::default();
        config.interval = Duration::from_secs(self.interval.into());
        config.min_interval = config.min_interval.min(config.interval);
        // Time for one announce that gets lost.
        config.expiry = config.interval.saturating_mul(2).max(Duration::from_secs(60));
        let server = Server::bind_with(self.listen, config)
            .await
            .map_err(|error| Failure::message(Code::Network, format!("{}: {error}", self.listen)))?;
        output::line(server.http_url())?;
        output::line(server.udp_url())?;
        interrupted().await;
        if !quiet {
            let stats = server.stats();
            output::note(format_args!(
                "answered {} times over HTTP, {} over UDP; {} peers in {} swarms at last",
                stats.http, stats.udp, stats.peers, stats.swarms
            ));
        }
        Ok(())
    }
}
