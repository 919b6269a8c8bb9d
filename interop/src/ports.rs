//! Addresses inside the namespace. Not loopback: some clients refuse peers there.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
};

use crate::until;

/// The address that `.ci/interop` gives to the namespace.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// A port that nobody listens on, each time another. Below those that outgoing connections take.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let is_free = |port: u16| TcpListener::bind((ADDRESS, port)).is_ok() && UdpSocket::bind((ADDRESS, port)).is_ok();
    std::iter::from_fn(|| Some(NEXT.fetch_add(1, Ordering::Relaxed)))
        .take(10_000)
        .find(|port| is_free(*port))
        .expect("no free port at 10.77.0.1; run the suite with .ci/interop")
}

/// Waits until somebody listens there; says whether that happened while `alive`.
pub(crate) fn wait_for_listener(address: SocketAddr, mut alive: impl FnMut() -> bool) -> bool {
    until(|| match TcpStream::connect(address) {
        Ok(_) => Some(true),
        Err(_) if alive() => None,
        Err(_) => Some(false),
    })
    .unwrap_or(false)
}
