//! Addresses inside the namespace. Not loopback: some clients refuse peers there.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
};

/// The address that `.ci/interop` gives to the namespace, and with it those up to 10.77.0.254.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// A port that nobody listens on, each time another. Below those that outgoing connections take.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let is_free = |port: u16| {
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
            && UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
    };
    std::iter::from_fn(|| Some(NEXT.fetch_add(1, Ordering::Relaxed)))
        .take(10_000)
        .find(|port| is_free(*port))
        .expect("a free port")
}
