//! What a peer says about itself. BEP 10 § "handshake message"; `metadata_size`: BEP 9; `upload_only`: BEP 21.
//! Fields of the wrong kind count as absent: the rest of the handshake is of use all the same.

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use torrent_bencode::{Document, Encoder};

use super::{MalformedPayload, options};
use crate::show;

/// Bytes of a client name that are kept.
const MAX_CLIENT_NAME: usize = 128;

/// The payload of extended message 0. Every field may be absent; `None` is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtendedHandshake<'a> {
    /// `v`: name and version of the client, at most 128 bytes of it. Nothing to rely on.
    pub client: Option<Cow<'a, str>>,
    /// `complete_ago`: seconds since the sender has had the whole torrent.
    pub complete_ago: Option<u32>,
    /// `e`: whether the sender prefers encrypted connections.
    pub prefers_encryption: Option<bool>,
    /// `ipv4`: an IPv4 address of the sender.
    pub ipv4: Option<Ipv4Addr>,
    /// `ipv6`: an IPv6 address of the sender.
    pub ipv6: Option<Ipv6Addr>,
    /// `p`: the port on which the sender accepts connections, never 0.
    pub listen_port: Option<u16>,
    /// `metadata_size`: length of the info dictionary in bytes, never 0.
    pub metadata_size: Option<u32>,
    /// `reqq`: how many requests the sender keeps in its queue, never 0.
    pub reqq: Option<u32>,
    /// `upload_only`: whether the sender wants nothing more, though it may not have everything.
    pub upload_only: Option<bool>,
    /// `yourip`: the receiver's address as the sender sees it.
    pub your_ip: Option<IpAddr>,
    /// `m` of a received handshake, as it came.
    m: Offers<'a>,
}

/// A bencoded dictionary, if there is one.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Offers<'a>(Option<&'a [u8]>);

impl fmt::Debug for Offers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map(show::payload).fmt(f)
    }
}

impl<'a> ExtendedHandshake<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// If it is not a bencoded dictionary, or a monstrous one.
    pub fn decode(payload: &'a [u8]) -> Result<Self, MalformedPayload> {
        // Some clients let other bytes follow.
        let (document, _) = Document::decode_prefix(payload, &options()).map_err(|_| MalformedPayload)?;
        let root = document.root().as_dict().ok_or(MalformedPayload)?;
        let number = |key: &str| root.find(key)?.as_int();
        let bytes = |key: &str| root.find(key)?.as_bytes();
        let positive = |key: &str| u32::try_from(number(key)?).ok();
        let flag = |key: &str| number(key).map(|number| number != 0);
        let ipv4 = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from);
        let ipv6 = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).ok().map(Ipv6Addr::from);
        Ok(Self {
            client: bytes("v").map(|name| String::from_utf8_lossy(name.get(..MAX_CLIENT_NAME).unwrap_or(name))),
            complete_ago: positive("complete_ago"),
            prefers_encryption: flag("e"),
            ipv4: bytes("ipv4").and_then(ipv4),
            ipv6: bytes("ipv6").and_then(ipv6),
            listen_port: number("p").and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0),
            metadata_size: positive("metadata_size").filter(|size| *size != 0),
            reqq: positive("reqq").filter(|requests| *requests != 0),
            upload_only: flag("upload_only"),
            your_ip: bytes("yourip").and_then(|ip| ipv4(ip).map(IpAddr::V4).or_else(|| ipv6(ip).map(IpAddr::V6))),
            m: Offers(root.find("m").filter(|m| m.as_dict().is_some()).map(|m| m.raw())),
        })
    }

    /// The payload, with names and numbers of the extensions that we take; see
    /// [`Extensions::iter`](super::Extensions::iter).
    #[must_use]
    pub fn encode<'e>(&self, extensions: impl IntoIterator<Item = (&'e str, u8)>) -> Vec<u8> {
        let mut out = Vec::new();
        Encoder::new(&mut out).dict(|root| {
            root.dict("m", |m| extensions.into_iter().for_each(|(name, id)| m.put(name, id)));
            root.put("complete_ago", self.complete_ago);
            root.put("e", self.prefers_encryption.map(u8::from));
            root.put("ipv4", self.ipv4.map(|ip| ip.octets()));
            root.put("ipv6", self.ipv6.map(|ip| ip.octets()));
            root.put("metadata_size", self.metadata_size);
            root.put("p", self.listen_port);
            root.put("reqq", self.reqq);
            root.put("upload_only", self.upload_only.map(u8::from));
            root.put("v", self.client.as_deref());
            match self.your_ip.map(|ip| ip.to_canonical()) {
                Some(IpAddr::V4(ip)) => root.put("yourip", ip.octets()),
                Some(IpAddr::V6(ip)) => root.put("yourip", ip.octets()),
                None => {}
            }
        });
        out
    }

    /// The number under which the sender takes messages of the extension; 0 if it does no longer.
    #[must_use]
    pub fn extension_id(&self, name: &str) -> Option<u8> {
        let mut found = None;
        self.for_each_extension(|other, id| found = found.or((other == name.as_bytes()).then_some(id)));
        found
    }

    /// Calls `see` with name and number of every extension that the sender takes, or (0) does no longer.
    pub fn for_each_extension(&self, mut see: impl FnMut(&'a [u8], u8)) {
        let Some(document) = self.m.0.and_then(|m| Document::decode(m, &options()).ok()) else { return };
        for (name, id) in document.root().as_dict().into_iter().flatten() {
            if let Some(id) = id.as_int().and_then(|id| u8::try_from(id).ok()) {
                see(name, id);
            }
        }
    }
}

/// What is kept of a peer's extended handshakes, of which later ones add to earlier ones, and of its `port` message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteInfo {
    /// UDP port of its DHT node, from its `port` message. BEP 5.
    pub dht_port: Option<u16>,
    /// The port on which it accepts connections.
    pub listen_port: Option<u16>,
    /// Length of the info dictionary in bytes, says the peer.
    pub metadata_size: Option<u32>,
    /// How many requests it keeps in its queue; 250 if it has not said.
    pub reqq: u32,
    /// Whether it wants nothing more.
    pub upload_only: bool,
}

impl Default for RemoteInfo {
    fn default() -> Self {
        Self { dht_port: None, listen_port: None, metadata_size: None, reqq: 250, upload_only: false }
    }
}

impl RemoteInfo {
    pub(crate) fn learn(&mut self, handshake: &ExtendedHandshake<'_>) {
        self.listen_port = handshake.listen_port.or(self.listen_port);
        self.metadata_size = handshake.metadata_size.or(self.metadata_size);
        self.reqq = handshake.reqq.unwrap_or(self.reqq);
        self.upload_only = handshake.upload_only.unwrap_or(self.upload_only);
    }
}
