//! `torrent dht sample`: one node, or as many as are wanted.

use std::collections::BTreeSet;

use serde::Serialize;
use torrent_dht::Id;
use torrent_types::HostPort;

use super::{Session, failure, host_port};
use crate::exit::{Code, Failure, Outcome};

#[derive(Debug, clap::Args)]
pub(super) struct Sample {
    /// Ask only this node. Without it, nodes all over the network are asked.
    #[arg(value_name = "HOST:PORT", value_parser = host_port)]
    node: Option<HostPort>,
    /// How many nodes to ask, where none is named.
    #[arg(long, value_name = "N", default_value_t = 50)]
    nodes: usize,
}

#[derive(Debug, Serialize)]
struct Hash {
    info_hash: String,
    node: String,
}

impl Sample {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let mut seen = BTreeSet::new();
        if let Some(node) = &self.node {
            let address = session.resolve(node).await?;
            let answer = session.dht.sample_infohashes(address, Id::default()).await;
            let answer = answer.map_err(|error| Failure::message(Code::Network, format!("{node}: {error}")))?;
            let Some(samples) = answer.samples else {
                return Err(Failure::message(Code::Network, format!("{node} does not know BEP 51")));
            };
            print(session, &mut seen, &samples, &node.to_string())?;
            if let Some(stored) = answer.stored {
                session.note(format_args!("{} of {stored} info hashes", samples.len()));
            }
            return Ok(());
        }
        session.ready().await?;
        self.walk(session, &mut seen).await
    }

    /// From a part of the network to the next: the ids that a node has are close to its own.
    async fn walk(&self, session: &Session, seen: &mut BTreeSet<Id>) -> Outcome {
        let (mut asked, mut answered) = (BTreeSet::new(), 0usize);
        let mut part = 0u8;
        while asked.len() < self.nodes {
            let before = asked.len();
            // The bits of the counter from behind: each step goes to the middle of the widest gap.
            let mut target = [0x55; 20];
            target[0] = part.reverse_bits();
            part = part.wrapping_add(1);
            for contact in session.dht.find_node(Id::new(target)).await.map_err(failure)? {
                if asked.len() >= self.nodes || !asked.insert(contact.address) {
                    continue;
                }
                if let Ok(answer) = session.dht.sample_infohashes(contact.address, Id::new(target)).await
                    && let Some(samples) = answer.samples
                {
                    answered += 1;
                    print(session, seen, &samples, &contact.address.to_string())?;
                }
            }
            // A small network is through.
            if part == 0 && before == asked.len() {
                break;
            }
        }
        session.note(format_args!("{} info hashes from {answered} of {} nodes", seen.len(), asked.len()));
        Ok(())
    }
}

fn print(session: &Session, seen: &mut BTreeSet<Id>, samples: &[Id], node: &str) -> Outcome {
    for hash in samples {
        if seen.insert(*hash) {
            session.print(hash, &Hash { info_hash: hash.to_string(), node: node.to_owned() })?;
        }
    }
    Ok(())
}
