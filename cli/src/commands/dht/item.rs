//! `torrent dht get` and `put`: values in the DHT.

use std::{fs, path::PathBuf, str::FromStr};

use serde::Serialize;
use torrent_bencode::{Encoder, RawValue, RawValueBuf, Value};
use torrent_dht::{Id, KeyPair, PublicKey, PutError, Salt, SignedItem};
use torrent_types::InfoHash;

use super::{Session, failure, id};
use crate::{
    commands::bencode::compact_value,
    describe,
    exit::{Code, Failure, OrExit as _, Outcome},
};

#[derive(Debug, clap::Args)]
pub(super) struct Get {
    /// The hash under which a value is stored that cannot change.
    #[arg(value_name = "TARGET", value_parser = id, required_unless_present = "key")]
    target: Option<Id>,
    /// The newest value of this public key: 64 hexadecimal digits.
    #[arg(long, value_name = "HEX", conflicts_with = "target")]
    key: Option<Hex32>,
    /// Which of the key's values.
    #[arg(long, value_name = "TEXT", requires = "key", default_value = "")]
    salt: String,
    /// Print the torrents that the key names, as they are replaced, until interrupted: BEP 46.
    #[arg(long, requires = "key")]
    follow: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Put {
    /// The value: text.
    #[arg(value_name = "VALUE", required_unless_present = "torrent")]
    value: Option<String>,
    /// VALUE is bencoded.
    #[arg(long)]
    bencoded: bool,
    /// Name this torrent to those who follow the key: BEP 46.
    #[arg(long, value_name = "INFOHASH", conflicts_with = "value", requires = "secret")]
    torrent: Option<InfoHash>,
    /// Sign it, with the key in this file: 64 hexadecimal digits. Made if it is not there.
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// Which of the key's values.
    #[arg(long, value_name = "TEXT", requires = "secret", default_value = "")]
    salt: String,
    /// The sequence number, greater than that of the value before. Default: one more than what is stored.
    #[arg(long, value_name = "N", requires = "secret")]
    seq: Option<i64>,
    /// Store it only where the value there has this sequence number.
    #[arg(long, value_name = "N", requires = "secret")]
    cas: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Hex32([u8; 32]);

impl FromStr for Hex32 {
    type Err = torrent_types::ParseHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<torrent_types::InfoHashV2>().map(|hash| Self(*hash.as_bytes()))
    }
}

#[derive(Debug, Serialize)]
struct Found {
    target: String,
    value: serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Update {
    info_hash: String,
    seq: i64,
}

#[derive(Debug, Serialize)]
struct Stored {
    target: String,
    nodes: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
}

impl Get {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        session.ready().await?;
        let salt = salt(&self.salt)?;
        if let Some(Hex32(key)) = self.key {
            let key = PublicKey::new(key);
            if self.follow {
                return follow(session, key, salt).await;
            }
            let item = session.dht.get_mutable(&key, &salt).await.map_err(failure)?;
            let item = item.ok_or_else(nothing)?;
            return found(session, item.target(), item.value(), Some(item.seq()));
        }
        let target = self.target.unwrap_or_default();
        let value = session.dht.get(target).await.map_err(failure)?.ok_or_else(nothing)?;
        found(session, target, value.borrow(), None)
    }
}

fn nothing() -> Failure {
    Failure::message(Code::Network, "nothing is stored there")
}

fn found(session: &Session, target: Id, value: RawValue<'_>, seq: Option<i64>) -> Outcome {
    let value = Value::decode(value.as_bytes()).or_exit(Code::BadInput)?;
    let json = compact_value(&value);
    let text = match &value {
        Value::Bytes(bytes) => {
            String::from_utf8(bytes.clone()).map(|text| crate::table::clean(&text)).unwrap_or_else(|_| json.clone())
        }
        _ => json.clone(),
    };
    let value = serde_json::from_str(&json).or_exit(Code::Other)?;
    session.print(text, &Found { target: target.to_string(), value, seq })
}

async fn follow(session: &Session, key: PublicKey, salt: Salt) -> Outcome {
    let mut follow = session.dht.follow(key, salt);
    loop {
        tokio::select! {
            update = follow.next() => {
                let update = update.map_err(failure)?;
                let (info_hash, seq) = (update.info_hash.to_string(), update.item.seq());
                session.print(&info_hash, &Update { info_hash: info_hash.clone(), seq })?;
            }
            () = crate::interrupt::interrupted() => return Ok(()),
        }
    }
}

fn salt(text: &str) -> Outcome<Salt> {
    Salt::new(text.as_bytes()).or_exit(Code::Usage)
}

impl Put {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let value = self.encoded()?;
        session.ready().await?;
        let Some(file) = &self.secret else {
            let (target, report) = session.dht.put(value).await.map_err(put_failure)?;
            let stored = Stored { target: target.to_string(), nodes: report.stored, key: None, seq: None };
            return told(session, stored);
        };
        let pair = key_pair(file)?;
        let salt = salt(&self.salt)?;
        let seq = match self.seq {
            Some(seq) => seq,
            None => {
                let stored = session.dht.get_mutable(&pair.public(), &salt).await.map_err(failure)?;
                stored.map_or(1, |item| item.seq().saturating_add(1))
            }
        };
        let item: SignedItem = pair.sign(value, seq, salt).or_exit(Code::Usage)?;
        let (target, key) = (item.target().to_string(), pair.public().to_string());
        let report = session.dht.put_mutable(item, self.cas).await.map_err(put_failure)?;
        told(session, Stored { target, nodes: report.stored, key: Some(key), seq: Some(seq) })
    }

    fn encoded(&self) -> Outcome<RawValueBuf> {
        let mut out = Vec::new();
        match (&self.torrent, &self.value) {
            (Some(torrent), _) => Encoder::new(&mut out).dict(|v| v.put("ih", torrent.as_bytes())),
            (None, Some(text)) if self.bencoded => out.extend_from_slice(text.as_bytes()),
            (None, text) => Encoder::new(&mut out).bytes(text.as_deref().unwrap_or_default()),
        }
        RawValue::new(&out).map(|value| value.to_buf()).or_exit(Code::BadInput)
    }
}

fn told(session: &Session, stored: Stored) -> Outcome {
    session.note(match &stored.key {
        Some(key) => format!("stored on {} nodes, seq {}, key {key}", stored.nodes, stored.seq.unwrap_or_default()),
        None => format!("stored on {} nodes", stored.nodes),
    });
    session.print(&stored.target, &stored)
}

fn put_failure(error: PutError) -> Failure {
    let code = match error {
        PutError::Item(_) => Code::Usage,
        PutError::CasFailed | PutError::SeqTooLow => Code::Exists,
        _ => Code::Network,
    };
    Failure::new(code, error)
}

/// Reads the secret key, or makes one.
fn key_pair(file: &PathBuf) -> Outcome<KeyPair> {
    let io = |error: &std::io::Error| Failure::io(file.display(), error);
    match fs::read_to_string(file) {
        Ok(text) => {
            let Hex32(seed) = text
                .trim()
                .parse()
                .map_err(|error| Failure::message(Code::BadInput, format!("{}: {error}", file.display())))?;
            Ok(KeyPair::from_seed(seed))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let seed = random()?;
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut written = options.open(file).map_err(|error| io(&error))?;
            std::io::Write::write_all(&mut written, describe::hex(&seed).as_bytes()).map_err(|error| io(&error))?;
            Ok(KeyPair::from_seed(seed))
        }
        Err(error) => Err(io(&error)),
    }
}

fn random() -> Outcome<[u8; 32]> {
    use rand::TryRng as _;
    let mut seed = [0; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut seed).map_err(|error| Failure::message(Code::Other, error))?;
    Ok(seed)
}
