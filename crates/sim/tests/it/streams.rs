//! Byte streams: order, rate, flow control, and the end.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::Instant,
};

use torrent_sim::{Link, NodeId, Opened, StreamCommand, StreamId, StreamNode, Streams, World};

use crate::{MS, SECOND};

/// Sends a number of bytes to whoever opens a stream, and reads if it wants to.
#[derive(Default)]
struct Endpoint {
    to_send: usize,
    sent: usize,
    reads: bool,
    read: Vec<u8>,
    commands: VecDeque<StreamCommand>,
    opened: BTreeMap<StreamId, Instant>,
    closed: Option<Instant>,
}

impl StreamNode for Endpoint {
    fn handle_opened(&mut self, now: Instant, stream: StreamId) {
        self.opened.insert(stream, now);
    }

    fn handle_bytes(&mut self, _now: Instant, _stream: StreamId, bytes: &[u8]) -> usize {
        if !self.reads {
            return 0;
        }
        self.read.extend_from_slice(bytes);
        bytes.len()
    }

    fn handle_closed(&mut self, now: Instant, stream: StreamId) {
        self.opened.remove(&stream);
        self.closed = Some(now);
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_command(&mut self, _now: Instant) -> Option<StreamCommand> {
        self.commands.pop_front()
    }

    fn poll_write(&mut self, _now: Instant, _stream: StreamId, room: usize, out: &mut Vec<u8>) {
        let count = room.min(self.to_send - self.sent);
        out.extend((self.sent..self.sent + count).map(|n| n as u8));
        self.sent += count;
        if count > 0 && self.sent == self.to_send {
            self.commands.extend(self.opened.keys().map(|&stream| StreamCommand::Close(stream)));
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// A server with bytes to send, and a client that dials it.
fn pair(to_send: usize, reads: bool, link: impl Fn() -> Link) -> (World<Streams<Endpoint>>, NodeId, NodeId) {
    let mut world = World::seeded(2);
    let address: SocketAddr = "10.0.0.1:1".parse().unwrap();
    let server = world.add(address, Streams::new(Endpoint { to_send, ..Endpoint::default() }));
    let client = world.add("10.0.0.2:1".parse().unwrap(), Streams::new(Endpoint { reads, ..Endpoint::default() }));
    world.link(server, client, link);
    world.with(client, |streams, _| streams.node_mut().commands.push_back(StreamCommand::Dial(address)));
    (world, server, client)
}

#[test]
fn bytes_come_in_order_at_the_rate_of_the_link_and_then_the_end() {
    // 10 MB at 5 MB/s, with headers of 52 bytes on each 1448.
    let link = || Link::new().delay(5 * MS).rate(5_000_000, 64 * 1024);
    let (mut world, _, client) = pair(10_000_000, true, link);
    assert!(world.run_until(10 * SECOND, |world| world[client].node().closed.is_some()));
    let read = &world[client].node().read;
    assert!(read.len() == 10_000_000 && read.iter().enumerate().all(|(n, &byte)| byte == n as u8));
    assert!((2070 * MS..2150 * MS).contains(&world.elapsed()), "{:?}", world.elapsed());
}

#[test]
fn losses_delay_a_stream_and_change_nothing_else() {
    let (mut world, _, client) = pair(500_000, true, || Link::new().delay(5 * MS).drop(0.05).reorder(0.1, 10 * MS));
    assert!(world.run_until(600 * SECOND, |world| world[client].node().closed.is_some()));
    let read = &world[client].node().read;
    assert!(read.len() == 500_000 && read.iter().enumerate().all(|(n, &byte)| byte == n as u8));
}

#[test]
fn a_receiver_that_does_not_read_stops_the_sender_at_the_window() {
    let (mut world, server, client) = pair(1_000_000, false, || Link::new().delay(5 * MS));
    world.run_for(SECOND);
    assert_eq!((world[server].node().sent, world[client].unread()), (256 * 1024, 256 * 1024));
    assert_eq!(world[client].node().closed, None);
    // And it goes on when that one reads.
    world.with(client, |streams, _| streams.node_mut().reads = true);
    world.run_for(SECOND);
    assert_eq!(world[client].node().read.len(), 1_000_000);
}

#[test]
fn opening_takes_a_round_trip_and_a_reset_ends_both_ways() {
    let (mut world, server, client) = pair(0, true, || Link::new().delay(20 * MS));
    let start = world.now();
    world.run_for(SECOND);
    let (&at_server, &accepted) = world[server].node().opened.first_key_value().unwrap();
    let (&at_client, &opened) = world[client].node().opened.first_key_value().unwrap();
    assert_eq!((accepted - start, opened - start), (20 * MS, 40 * MS));
    assert_eq!((at_server.opened, at_client.opened), (Opened::ByPeer, Opened::ByUs));
    world.with(server, |streams, _| streams.node_mut().commands.push_back(StreamCommand::Reset(at_server)));
    world.run_for(SECOND);
    assert!(world[client].node().opened.is_empty());
    assert_eq!(world[client].node().closed, Some(start + SECOND + 20 * MS));
}
