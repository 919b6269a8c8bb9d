//! Messages to bytes, canonically.
//! Spec: BEP 5 § "KRPC Protocol".

use std::net::SocketAddr;

use torrent_bencode::{DictEncoder, Encoder};
use torrent_types::compact;

use super::{AnnouncePort, Body, Message, Method, Put, Query, RemoteError, Response, Role, VERSION, Want};

impl Message<'_> {
    /// Appends the message. [`version`](Self::version) is written as it is.
    pub fn encode(&self, out: &mut Vec<u8>) {
        Encoder::new(out).dict(|message| match &self.body {
            Body::Query(query) => {
                message.dict("a", |a| query.arguments(a));
                message.put("q", query.method.name());
                if query.role == Role::ReadOnly {
                    message.put("ro", 1u8);
                }
                self.tail(message, "q");
            }
            Body::Response(response) => {
                message.put("ip", response.observed.map(packed).as_deref());
                message.dict("r", |r| response.fields(r));
                self.tail(message, "r");
            }
            Body::Error(RemoteError { code, message: text }) => {
                message.list("e", |e| {
                    e.put(*code);
                    e.put(*text);
                });
                self.tail(message, "e");
            }
        });
    }

    fn tail(&self, message: &mut DictEncoder<'_>, kind: &str) {
        message.put("t", self.transaction);
        message.put("v", self.version);
        message.put("y", kind);
    }

    /// A message of this crate.
    #[must_use]
    pub const fn new<'a>(transaction: &'a [u8], body: Body<'a>) -> Message<'a> {
        Message { transaction, version: Some(&VERSION), body }
    }
}

impl Query<'_> {
    fn arguments(&self, a: &mut DictEncoder<'_>) {
        match &self.method {
            Method::Ping => a.put("id", self.id.as_bytes()),
            Method::FindNode { target, want } | Method::SampleInfohashes { target, want } => {
                a.put("id", self.id.as_bytes());
                a.put("target", target.as_bytes());
                put_want(a, *want);
            }
            Method::GetPeers { info_hash, want, noseed, scrape } => {
                a.put("id", self.id.as_bytes());
                a.put("info_hash", info_hash.as_bytes());
                a.put("noseed", noseed.then_some(1u8));
                a.put("scrape", scrape.then_some(1u8));
                put_want(a, *want);
            }
            Method::AnnouncePeer { info_hash, port, seed, token } => {
                a.put("id", self.id.as_bytes());
                if *port == AnnouncePort::Implied {
                    a.put("implied_port", 1u8);
                }
                a.put("info_hash", info_hash.as_bytes());
                // Where the port is implied, nodes that do not know `implied_port` still need a valid one.
                a.put("port", if let AnnouncePort::Explicit(port) = port { *port } else { 1 });
                a.put("seed", seed.then_some(1u8));
                a.put("token", *token);
            }
            Method::Get { target, seq, want } => {
                a.put("id", self.id.as_bytes());
                a.put("seq", *seq);
                a.put("target", target.as_bytes());
                put_want(a, *want);
            }
            Method::Put(put) => put.arguments(a, self),
            Method::Unknown { target, want, .. } => {
                a.put("id", self.id.as_bytes());
                a.put("target", target.as_ref().map(|id| id.as_bytes()));
                put_want(a, *want);
            }
        }
    }
}

impl Put<'_> {
    fn arguments(&self, a: &mut DictEncoder<'_>, query: &Query<'_>) {
        a.put("cas", self.cas);
        a.put("id", query.id.as_bytes());
        if let Some(signed) = &self.signed {
            a.put("k", signed.key);
            a.put("salt", (!signed.salt.is_empty()).then_some(signed.salt));
            a.put("seq", signed.seq);
            a.put("sig", signed.signature);
        }
        a.put("token", self.token);
        a.put("v", self.value);
    }
}

fn put_want(a: &mut DictEncoder<'_>, want: Want) {
    if want != Want::Same {
        a.list("want", |list| {
            list.put(matches!(want, Want::V4 | Want::Both).then_some("n4"));
            list.put(matches!(want, Want::V6 | Want::Both).then_some("n6"));
        });
    }
}

impl Response<'_> {
    fn fields(&self, r: &mut DictEncoder<'_>) {
        r.put("BFpe", self.leeches.as_ref().map(|filter| filter.as_bytes()));
        r.put("BFsd", self.seeds.as_ref().map(|filter| filter.as_bytes()));
        r.put("id", self.id.as_bytes());
        r.put("interval", self.interval);
        r.put("k", self.key);
        r.put("nodes", self.nodes);
        r.put("nodes6", self.nodes6);
        r.put("num", self.stored);
        r.put("samples", self.samples);
        r.put("seq", self.seq);
        r.put("sig", self.signature);
        r.put("token", self.token);
        r.put("v", self.value);
        if !self.values.is_empty() {
            r.list("values", |values| {
                for peer in &self.values {
                    values.put(packed(*peer).as_slice());
                }
            });
        }
    }
}

fn packed(address: SocketAddr) -> Vec<u8> {
    let mut out = Vec::with_capacity(compact::V6_LENGTH);
    compact::encode(address, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::Id, krpc::Decoder};

    fn id(text: &[u8; 20]) -> Id {
        Id::new(*text)
    }

    /// The examples of BEP 5 § "DHT Queries", which have no version.
    #[test]
    fn bep_5s_examples_are_written_as_they_stand() {
        let me = id(b"abcdefghij0123456789");
        let query = |method| Body::Query(Query { id: me, role: Role::Server, method });
        let target = id(b"mnopqrstuvwxyz123456");
        let cases: [(Body<'_>, &[u8]); 5] = [
            (query(Method::Ping), b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"),
            (
                query(Method::FindNode { target, want: Want::Same }),
                b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
            ),
            (
                query(Method::GetPeers { info_hash: target, want: Want::Same, noseed: false, scrape: false }),
                b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
            ),
            (
                Body::Response(Response { id: target, ..Response::default() }),
                b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
            ),
            (
                Body::Error(RemoteError { code: 201, message: b"A Generic Error Ocurred" }),
                b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
            ),
        ];
        for (body, bytes) in cases {
            let message = Message { transaction: b"aa", version: None, body };
            let mut out = Vec::new();
            message.encode(&mut out);
            assert_eq!(out.escape_ascii().to_string(), bytes.escape_ascii().to_string());
            assert_eq!(Decoder::default().decode(bytes).unwrap(), message);
        }
    }

    #[test]
    fn a_bad_optional_field_loses_that_field_only() {
        let packet = b"d2:ip3:abc1:rd2:id20:mnopqrstuvwxyz1234565:nodesi7e5:token4:toke6:valuesl6:\x01\x02\x03\x04\x1a\xe1i5e3:xyzee1:t1:x1:vi3e1:y1:re";
        let mut decoder = Decoder::default();
        let message = decoder.decode(packet).unwrap();
        let Body::Response(response) = message.body else { panic!("not a response") };
        assert_eq!(response.values, ["1.2.3.4:6881".parse().unwrap()]);
        assert_eq!((response.token, response.nodes, response.observed), (Some(&b"toke"[..]), None, None));
        assert_eq!(message.version, None);
    }
}
