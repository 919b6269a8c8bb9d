//! Real sockets on loopback.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UdpSocket,
};
use torrent_utp::{Config, UdpPort, UtpSocket, UtpStream};

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

async fn connected() -> (UtpStream, UtpStream) {
    let (a, b) = (UtpSocket::bind(any()).unwrap(), UtpSocket::bind(any()).unwrap());
    let to = b.local_addr();
    let (dialled, accepted) = tokio::join!(a.connect(to), b.accept());
    (dialled.unwrap(), accepted.unwrap())
}

#[tokio::test]
async fn either_side_may_speak_first_and_finish_first() {
    let (mut dialled, mut accepted) = connected().await;
    accepted.write_all(b"welcome").await.unwrap();
    accepted.shutdown().await.unwrap();
    let mut said = String::new();
    dialled.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "welcome");
    dialled.write_all(b"thanks").await.unwrap();
    dialled.shutdown().await.unwrap();
    said.clear();
    accepted.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "thanks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_transfer_in_both_directions_arrives_whole() {
    let (dialled, accepted) = connected().await;
    let data: Vec<u8> = (0..16_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let run = |stream: UtpStream, data: Vec<u8>| async move {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let send = async {
            writer.write_all(&data).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let mut got = Vec::new();
        let (_, count) = tokio::join!(send, reader.read_to_end(&mut got));
        assert_eq!(count.unwrap(), data.len());
        assert!(got == data);
    };
    let (a, b) = (tokio::spawn(run(dialled, data.clone())), tokio::spawn(run(accepted, data)));
    a.await.unwrap();
    b.await.unwrap();
}

#[tokio::test]
async fn what_was_written_arrives_though_the_stream_is_dropped() {
    let (mut dialled, mut accepted) = connected().await;
    dialled.write_all(&[5; 100_000]).await.unwrap();
    drop(dialled);
    let mut got = Vec::new();
    accepted.read_to_end(&mut got).await.unwrap();
    assert_eq!(got.len(), 100_000);
}

#[tokio::test]
async fn an_aborted_stream_is_reset_at_the_other_end() {
    let (dialled, mut accepted) = connected().await;
    dialled.abort();
    let error = accepted.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_closed_port_refuses_at_once() {
    let closed = UdpSocket::bind(any()).await.unwrap().local_addr().unwrap();
    let socket = UtpSocket::bind(any()).unwrap();
    assert_eq!(socket.connect(closed).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn each_protocol_sees_its_own_datagrams_and_no_others() {
    let port = UdpPort::bind(any(), Config::default()).unwrap();
    let (utp, mut dht, mut trackers) = (port.utp(), port.dht(), port.trackers());
    let other = UdpSocket::bind(any()).await.unwrap();
    let to = port.local_addr();
    let caller = UtpSocket::bind(any()).unwrap();
    for _ in 0..3 {
        other.send_to(b"d1:y1:qe", to).await.unwrap();
        other.send_to(&[0, 0, 0, 1, 9, 9, 9, 9], to).await.unwrap();
        other.send_to(b"", to).await.unwrap();
    }
    let (mut stream, accepted) = tokio::join!(async { caller.connect(to).await.unwrap() }, utp.accept());
    for _ in 0..3 {
        assert_eq!(&dht.recv().await.unwrap().payload[..], b"d1:y1:qe");
        assert_eq!(&trackers.recv().await.unwrap().payload[..], &[0, 0, 0, 1, 9, 9, 9, 9]);
    }
    stream.write_all(b"x").await.unwrap();
    assert_eq!(accepted.unwrap().read_u8().await.unwrap(), b'x');
    dht.send(b"d1:y1:re", other.local_addr().unwrap()).await.unwrap();
    let mut buffer = [0; 100];
    let (count, from) = other.recv_from(&mut buffer).await.unwrap();
    assert_eq!((&buffer[..count], from), (&b"d1:y1:re"[..], to));
}

#[tokio::test]
async fn ipv6_works_beside_ipv4_on_the_same_number() {
    let v4 = UdpPort::bind(any(), Config::default()).unwrap();
    let number = v4.local_addr().port();
    let Ok(v6) = UdpPort::bind(SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, number)), Config::default()) else {
        return; // no IPv6 on this machine
    };
    let caller = UtpSocket::bind(SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 0))).unwrap();
    let utp = v6.utp();
    let (dialled, accepted) = tokio::join!(caller.connect(v6.local_addr()), utp.accept());
    dialled.unwrap().write_all(b"6").await.unwrap();
    assert_eq!(accepted.unwrap().read_u8().await.unwrap(), b'6');
}

#[tokio::test]
async fn a_thousand_connections_share_a_socket() {
    let (server, client) = (UtpSocket::bind(any()).unwrap(), UtpSocket::bind(any()).unwrap());
    let to = server.local_addr();
    let echo = tokio::spawn(async move {
        let mut all = Vec::new();
        for _ in 0..1000 {
            let mut stream = server.accept().await.unwrap();
            let byte = stream.read_u8().await.unwrap();
            stream.write_u8(byte).await.unwrap();
            all.push(stream);
        }
        all
    });
    let mut all = Vec::new();
    for n in 0..1000_u32 {
        let mut stream = client.connect(to).await.unwrap();
        stream.write_u8(n as u8).await.unwrap();
        all.push(stream);
    }
    for (n, stream) in all.iter_mut().enumerate() {
        assert_eq!(stream.read_u8().await.unwrap(), n as u8);
    }
    assert_eq!(client.stats().connections, 1000);
    drop(echo.await.unwrap());
}

#[tokio::test]
async fn the_port_is_free_once_nobody_holds_it() {
    let port = UdpPort::bind(any(), Config::default()).unwrap();
    let address = port.local_addr();
    drop(port);
    while UdpPort::bind(address, Config::default()).is_err() {
        tokio::task::yield_now().await;
    }
}
