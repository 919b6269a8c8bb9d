//! `torrent dht ping` and `find-node`.

use serde::Serialize;
use torrent_dht::{Answer, Ask, Id, QueryError};
use torrent_types::HostPort;

use super::{Session, failure, host_port, id};
use crate::exit::{Code, Failure, Outcome};

#[derive(Debug, clap::Args)]
pub(super) struct Ping {
    /// The nodes.
    #[arg(value_name = "HOST:PORT", required = true, value_parser = host_port)]
    nodes: Vec<HostPort>,
}

#[derive(Debug, clap::Args)]
pub(super) struct FindNode {
    /// The id: 40 hexadecimal digits.
    #[arg(value_name = "ID", value_parser = id)]
    target: Id,
    /// Ask only this node, in place of looking through the network.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_port)]
    node: Option<HostPort>,
}

#[derive(Debug, Serialize)]
struct Pong {
    node: String,
    id: Option<String>,
    milliseconds: Option<f64>,
    /// The client, as it names itself.
    version: Option<String>,
    /// The address by which it sees us.
    observed: Option<String>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Node {
    id: String,
    node: String,
}

impl Ping {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let mut answered = 0;
        for node in &self.nodes {
            let address = session.resolve(node).await?;
            let result = session.dht.ping(address).await;
            answered += usize::from(result.is_ok());
            let text = match &result {
                Ok(answer) => format!(
                    "{node} {} {:.1} ms{}",
                    answer.id,
                    milliseconds(answer),
                    version(answer).map(|v| format!(" {v}")).unwrap_or_default()
                ),
                Err(error) => format!("{node}: {error}"),
            };
            session.print(text, &Pong::new(node, &result))?;
        }
        if answered == 0 { Err(Failure::message(Code::Network, "no node answered")) } else { Ok(()) }
    }
}

impl FindNode {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let nodes = match &self.node {
            Some(node) => {
                let address = session.resolve(node).await?;
                let asked = session.dht.ask(address, Ask::FindNode(self.target)).await;
                asked.map_err(|error| Failure::message(Code::Network, format!("{node}: {error}")))?.nodes
            }
            None => {
                session.ready().await?;
                session.dht.find_node(self.target).await.map_err(failure)?
            }
        };
        for contact in nodes {
            let (id, node) = (contact.id.to_string(), contact.address.to_string());
            session.print(format_args!("{id} {node}"), &Node { id: id.clone(), node: node.clone() })?;
        }
        Ok(())
    }
}

impl Pong {
    fn new(node: &HostPort, result: &Result<Answer, QueryError>) -> Self {
        let answer = result.as_ref().ok();
        Self {
            node: node.to_string(),
            id: answer.map(|answer| answer.id.to_string()),
            milliseconds: answer.map(milliseconds),
            version: answer.and_then(version),
            observed: answer.and_then(|answer| answer.observed).map(|address| address.to_string()),
            error: result.as_ref().err().map(ToString::to_string),
        }
    }
}

fn milliseconds(answer: &Answer) -> f64 {
    answer.rtt.as_secs_f64() * 1000.0
}

/// Two letters and two bytes, by custom.
fn version(answer: &Answer) -> Option<String> {
    answer.version.as_ref().map(|version| version.escape_ascii().to_string())
}
