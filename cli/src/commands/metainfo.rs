//! `torrent metainfo`: the commands of anacrolix' `torrent` of that name, with the same answers.

use serde_json::{Map, Value, json};
use torrent_metainfo::Metainfo as Torrent;

use crate::{clean, describe, exit::Outcome, input::Input, output};

const EXAMPLES: &str = "\
Examples:
  torrent metainfo debian.iso.torrent magnet
  torrent metainfo debian.iso.torrent pprint --files
  torrent metainfo - pprint --just-name < debian.iso.torrent

`torrent show` and `torrent magnet` say more.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct MetainfoCommand {
    /// .torrent file, or - for stdin.
    #[arg(value_name = "FILE")]
    torrent: Input,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print the magnet link: xt, dn, tr and ws.
    Magnet,
    /// Print the torrent as indented JSON.
    Pprint(Pprint),
}

#[derive(Debug, clap::Args)]
struct Pprint {
    /// Print the name and nothing else.
    #[arg(long)]
    just_name: bool,
    /// Add the SHA-1 of every piece.
    #[arg(long)]
    piece_hashes: bool,
    /// Add the files.
    #[arg(long)]
    files: bool,
}

impl MetainfoCommand {
    pub(crate) fn run(self) -> Outcome {
        let torrent = self.torrent.read_torrent()?;
        match self.action {
            Action::Magnet => output::line(describe::link(&torrent)),
            Action::Pprint(pprint) if pprint.just_name => output::line(clean::line(torrent.info().name())),
            Action::Pprint(pprint) => output::json(&pprint.describe(&torrent)),
        }
    }
}

impl Pprint {
    /// The keys are those of the original; `InfoHashV2` is ours.
    fn describe(&self, torrent: &Torrent) -> Value {
        let info = torrent.info();
        let files = || info.files().iter().filter(|file| !file.is_pad());
        let mut all = Map::new();
        let mut put = |key: &str, value: Value| drop(all.insert(key.into(), value));
        put("Name", info.name().into());
        put("NumPieces", info.piece_count().into());
        put("PieceLength", info.piece_length().into());
        put("NumFiles", files().count().into());
        put("TotalLength", info.content_length().into());
        put("Announce", torrent.trackers().first().and_then(|tier| tier.first()).cloned().unwrap_or_default().into());
        // It prints what is not there as `null`.
        put("AnnounceList", torrent.value("announce-list").map_or(Value::Null, |_| json!(torrent.trackers())));
        put("UrlList", torrent.value("url-list").map_or(Value::Null, |_| json!(torrent.web_seeds())));
        if let Some(hash) = torrent.info_hashes().v1() {
            put("InfoHash", hash.to_string().into());
        }
        if let Some(hash) = torrent.info_hashes().v2() {
            put("InfoHashV2", hash.to_string().into());
        }
        if !torrent.nodes().is_empty() {
            let nodes = torrent.nodes().iter().map(ToString::to_string);
            put("Nodes", nodes.collect());
        }
        if self.files {
            let elements = |file: &torrent_metainfo::File| {
                // The name of the torrent is not part of it there.
                let path = if info.is_folder() { file.path().without_root() } else { None };
                path.map(|path| path.elements().map(Into::into).collect::<Vec<String>>())
            };
            put("Files", files().map(|file| json!({ "Length": file.length(), "Path": elements(file) })).collect());
        }
        if self.piece_hashes {
            put("PieceHashes", info.piece_hashes().iter().map(|hash| describe::hex(hash)).collect());
        }
        Value::Object(all)
    }
}
