//! The types that all crates decode, lent from the input and owned: a torrent, and a DHT packet.

#![expect(missing_docs, missing_debug_implementations, clippy::exhaustive_structs, reason = "for benchmarks")]

use serde::Deserialize;
use serde_bytes::{ByteBuf, Bytes};

#[derive(Deserialize)]
pub struct Torrent<'a> {
    #[serde(borrow)]
    pub announce: &'a str,
    #[serde(borrow, rename = "announce-list")]
    pub announce_list: Vec<Vec<&'a str>>,
    #[serde(borrow)]
    pub info: Info<'a>,
}

#[derive(Deserialize)]
pub struct Info<'a> {
    #[serde(borrow)]
    pub files: Vec<File<'a>>,
    pub name: &'a str,
    #[serde(rename = "piece length")]
    pub piece_length: u32,
    #[serde(borrow)]
    pub pieces: &'a Bytes,
}

#[derive(Deserialize)]
pub struct File<'a> {
    pub length: u64,
    #[serde(borrow)]
    pub path: Vec<&'a str>,
}

/// BEP 5 § "KRPC Protocol".
#[derive(Deserialize)]
pub struct Packet<'a> {
    #[serde(borrow)]
    pub t: &'a Bytes,
    pub y: &'a str,
    pub q: Option<&'a str>,
    #[serde(borrow)]
    pub a: Option<Arguments<'a>>,
    #[serde(borrow)]
    pub r: Option<Reply<'a>>,
}

#[derive(Deserialize)]
pub struct Arguments<'a> {
    #[serde(borrow)]
    pub id: &'a Bytes,
}

#[derive(Deserialize)]
pub struct Reply<'a> {
    #[serde(borrow)]
    pub id: &'a Bytes,
    #[serde(borrow)]
    pub nodes: Option<&'a Bytes>,
    #[serde(borrow)]
    pub token: Option<&'a Bytes>,
    #[serde(borrow)]
    pub values: Option<Vec<&'a Bytes>>,
}

#[derive(Deserialize)]
pub struct OwnedTorrent {
    pub announce: String,
    #[serde(rename = "announce-list")]
    pub announce_list: Vec<Vec<String>>,
    pub info: OwnedInfo,
}

#[derive(Deserialize)]
pub struct OwnedInfo {
    pub files: Vec<OwnedFile>,
    pub name: String,
    #[serde(rename = "piece length")]
    pub piece_length: u32,
    pub pieces: ByteBuf,
}

#[derive(Deserialize)]
pub struct OwnedFile {
    pub length: u64,
    pub path: Vec<String>,
}

#[derive(Deserialize)]
pub struct OwnedPacket {
    pub t: ByteBuf,
    pub y: String,
    pub q: Option<String>,
    pub a: Option<OwnedArguments>,
    pub r: Option<OwnedReply>,
}

#[derive(Deserialize)]
pub struct OwnedArguments {
    pub id: ByteBuf,
}

#[derive(Deserialize)]
pub struct OwnedReply {
    pub id: ByteBuf,
    pub nodes: Option<ByteBuf>,
    pub token: Option<ByteBuf>,
    pub values: Option<Vec<ByteBuf>>,
}
