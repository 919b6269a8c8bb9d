//! Bytes to messages, leniently: a bad optional field loses that field, not the message.
//! Spec: BEP 5 § "KRPC Protocol". No recursion; the depth and the number of tokens have limits.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use torrent_bencode::{Node, Options};

use super::{
    AnnouncePort, Body, MAX_DATAGRAM, MAX_TOKEN, MAX_TRANSACTION, Message, Method, Put, Query, RemoteError, Response,
    Role, Signed, Want, code,
};
use crate::{bloom::BloomFilter, id::Id};

/// Reads one datagram after the other, and keeps its memory in between.
#[derive(Debug)]
pub struct Decoder(torrent_bencode::Decoder);

/// Why a datagram is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError<'a> {
    /// It is not KRPC. The text says why.
    NotKrpc(&'static str),
    /// It is a query, and this is the error to answer it with.
    Query {
        /// The transaction id to answer with.
        transaction: &'a [u8],
        /// The error.
        error: RemoteError<'static>,
    },
    /// It is a response or an error of which nothing can be understood but the transaction id.
    Response {
        /// The query that it answers.
        transaction: &'a [u8],
    },
}

impl Default for Decoder {
    fn default() -> Self {
        // A datagram of lists alone is all tokens: their number needs no other limit than its length.
        let options = Options::lenient().max_bytes(MAX_DATAGRAM).max_depth(100).max_tokens(2 * MAX_DATAGRAM);
        Self(torrent_bencode::Decoder::new(options))
    }
}

impl Decoder {
    /// Reads one datagram.
    ///
    /// # Errors
    /// If it cannot be understood.
    pub fn decode<'a>(&mut self, datagram: &'a [u8]) -> Result<Message<'a>, DecodeError<'a>> {
        // What no KRPC message begins with costs nothing more.
        if datagram.first() != Some(&b'd') {
            return Err(DecodeError::NotKrpc("not a dictionary"));
        }
        let root = self.0.decode(datagram).map_err(|_| DecodeError::NotKrpc("not bencoded"))?;
        let transaction = bytes(root, "t").ok_or(DecodeError::NotKrpc("no transaction id"))?;
        if transaction.len() > MAX_TRANSACTION {
            return Err(DecodeError::NotKrpc("the transaction id is too long"));
        }
        let body = match bytes(root, "y") {
            Some(b"q") => query(root).map(Body::Query).map_err(|error| DecodeError::Query { transaction, error })?,
            Some(b"r") => response(root).map(Body::Response).ok_or(DecodeError::Response { transaction })?,
            Some(b"e") => Body::Error(error(root)),
            _ => return Err(DecodeError::NotKrpc("neither query, response nor error")),
        };
        Ok(Message { transaction, version: bytes(root, "v"), body })
    }
}

type QueryError = RemoteError<'static>;

const fn wrong(message: &'static str) -> QueryError {
    RemoteError { code: code::PROTOCOL, message: message.as_bytes() }
}

fn query<'a>(root: Node<'_, 'a>) -> Result<Query<'a>, QueryError> {
    let name = bytes(root, "q").ok_or(wrong("no method"))?;
    let arguments = root.find("a").filter(|a| a.as_dict().is_some()).ok_or(wrong("no arguments"))?;
    let id = id(arguments, "id").ok_or(wrong("no valid id"))?;
    let role = if int(root, "ro") == Some(1) { Role::ReadOnly } else { Role::Server };
    Ok(Query { id, role, method: method(name, arguments)? })
}

fn method<'a>(name: &'a [u8], a: Node<'_, 'a>) -> Result<Method<'a>, QueryError> {
    let target = || id(a, "target").ok_or(wrong("no valid target"));
    let info_hash = || id(a, "info_hash").ok_or(wrong("no valid info_hash"));
    Ok(match name {
        b"ping" => Method::Ping,
        b"find_node" => Method::FindNode { target: target()?, want: want(a) },
        b"get_peers" => Method::GetPeers {
            info_hash: info_hash()?,
            want: want(a),
            noseed: int(a, "noseed") == Some(1),
            scrape: int(a, "scrape") == Some(1),
        },
        b"announce_peer" => Method::AnnouncePeer {
            info_hash: info_hash()?,
            port: announce_port(a)?,
            seed: int(a, "seed") == Some(1),
            token: token(a)?,
        },
        b"get" => Method::Get { target: target()?, seq: int(a, "seq"), want: want(a) },
        b"put" => Method::Put(put(a)?),
        b"sample_infohashes" => Method::SampleInfohashes { target: target()?, want: want(a) },
        name => Method::Unknown { name, target: id(a, "target").or_else(|| id(a, "info_hash")), want: want(a) },
    })
}

fn announce_port(a: Node<'_, '_>) -> Result<AnnouncePort, QueryError> {
    if int(a, "implied_port").is_some_and(|implied| implied != 0) {
        return Ok(AnnouncePort::Implied);
    }
    let port = int(a, "port").and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    port.map(AnnouncePort::Explicit).ok_or(wrong("no valid port"))
}

fn token<'a>(a: Node<'_, 'a>) -> Result<&'a [u8], QueryError> {
    bytes(a, "token").ok_or(wrong("no token"))
}

fn put<'a>(a: Node<'_, 'a>) -> Result<Put<'a>, QueryError> {
    let value = a.find("v").ok_or(wrong("no value"))?.raw_value();
    let signed = match a.find("k") {
        None => None,
        Some(key) => Some(Signed {
            key: key.as_array().ok_or(wrong("the key has not 32 bytes"))?,
            signature: a.find("sig").and_then(|sig| sig.as_array()).ok_or(wrong("no signature of 64 bytes"))?,
            seq: int(a, "seq").filter(|seq| *seq >= 0).ok_or(wrong("no valid seq"))?,
            salt: bytes(a, "salt").unwrap_or_default(),
        }),
    };
    Ok(Put { token: token(a)?, value, signed, cas: int(a, "cas") })
}

fn want(a: Node<'_, '_>) -> Want {
    let Some(list) = a.find("want").and_then(|want| want.as_list()) else { return Want::Same };
    let (mut v4, mut v6) = (false, false);
    for item in list.take(8) {
        match item.as_bytes() {
            Some(b"n4") => v4 = true,
            Some(b"n6") => v6 = true,
            _ => {}
        }
    }
    match (v4, v6) {
        (false, false) => Want::Same,
        (true, false) => Want::V4,
        (false, true) => Want::V6,
        (true, true) => Want::Both,
    }
}

fn response<'a>(root: Node<'_, 'a>) -> Option<Response<'a>> {
    let r = root.find("r")?;
    let mut response = Response { id: id(r, "id")?, ..Response::default() };
    // BEP 42 has it at the top; some put it into the answer.
    response.observed = root.find("ip").or_else(|| r.find("ip")).and_then(|ip| address(ip.as_bytes()?));
    for (key, value) in r.as_dict()? {
        match key {
            b"nodes" => response.nodes = value.as_bytes(),
            b"nodes6" => response.nodes6 = value.as_bytes(),
            b"values" => response.values = values(value),
            b"token" => response.token = value.as_bytes().filter(|token| token.len() <= MAX_TOKEN),
            b"BFsd" => response.seeds = value.as_array().map(|bits| Box::new(BloomFilter::from(*bits))),
            b"BFpe" => response.leeches = value.as_array().map(|bits| Box::new(BloomFilter::from(*bits))),
            b"v" => response.value = Some(value.raw_value()),
            b"k" => response.key = value.as_array(),
            b"sig" => response.signature = value.as_array(),
            b"seq" => response.seq = value.as_int(),
            b"samples" => response.samples = value.as_bytes(),
            b"num" => response.stored = value.as_u64(),
            b"interval" => response.interval = value.as_u64(),
            _ => {}
        }
    }
    Some(response)
}

/// A list of packed peers of either family; or, from old nodes, one string of many.
fn values(node: Node<'_, '_>) -> Vec<SocketAddr> {
    if let Some(list) = node.as_list() {
        return list.filter_map(|value| address(value.as_bytes()?)).collect();
    }
    let packed = node.as_bytes().unwrap_or_default().as_chunks::<6>().0;
    packed.iter().filter_map(|peer| address(peer)).collect()
}

/// A packed address of either family. Not one with port 0.
fn address(packed: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = packed.split_last_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    let address = match ip.len() {
        4 => SocketAddr::new(Ipv4Addr::from(*<&[u8; 4]>::try_from(ip).ok()?).into(), port),
        16 => SocketAddr::new(Ipv6Addr::from(*<&[u8; 16]>::try_from(ip).ok()?).into(), port),
        _ => return None,
    };
    (port != 0).then_some(address)
}

fn error<'a>(root: Node<'_, 'a>) -> RemoteError<'a> {
    let mut list = root.find("e").and_then(|e| e.as_list()).into_iter().flatten();
    let code = list.next().and_then(|code| code.as_int()).unwrap_or(code::GENERIC);
    RemoteError { code, message: list.next().and_then(|message| message.as_bytes()).unwrap_or_default() }
}

fn bytes<'a>(dict: Node<'_, 'a>, key: &str) -> Option<&'a [u8]> {
    dict.find(key)?.as_bytes()
}

fn int(dict: Node<'_, '_>, key: &str) -> Option<i64> {
    dict.find(key)?.as_int()
}

fn id(dict: Node<'_, '_>, key: &str) -> Option<Id> {
    dict.find(key)?.as_array().map(|id| Id::new(*id))
}

impl fmt::Display for DecodeError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotKrpc(why) => f.write_str(why),
            Self::Query { error, .. } => write!(f, "a query that cannot be understood: {error}"),
            Self::Response { .. } => f.write_str("a response that cannot be understood"),
        }
    }
}

impl std::error::Error for DecodeError<'_> {}

impl fmt::Display for RemoteError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message.escape_ascii(), self.code)
    }
}
