//! Proxies, scripted.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use torrent_tracker::{Client, Config, Error, Proxy, Refused};

use crate::scripted::{ANSWER, head, ok, request, scripted};

#[tokio::test]
async fn an_http_proxy_gets_whole_urls_and_its_password() {
    let proxy = scripted(|mut stream, _| async move {
        let head = head(&mut stream).await.unwrap();
        let good = head.starts_with("GET http://tracker.example/announce?info_hash=")
            && head.contains("\r\nproxy-authorization: Basic bWU6cHc=\r\n")
            && head.contains("\r\nhost: tracker.example\r\n");
        stream.write_all(&ok(if good { ANSWER } else { head.as_bytes() })).await.unwrap();
    })
    .await;
    let proxy = Proxy::parse(&format!("http://me:pw@{}", proxy.address)).unwrap();
    let client = Client::new(Config::default().proxy(Some(proxy)));
    client.announce(&"http://tracker.example/announce".parse().unwrap(), &request()).await.unwrap();
    let udp = client.announce(&"udp://tracker.example:1/".parse().unwrap(), &request()).await;
    assert!(matches!(udp, Err(Error::Refused(Refused::ProxyUdp))), "{udp:?}");
    let local = client.announce(&"http://localhost/reboot".parse().unwrap(), &request()).await;
    assert!(matches!(local, Err(Error::Refused(Refused::Address))), "{local:?}");
}

#[tokio::test]
async fn a_socks5_proxy_resolves_the_name() {
    let proxy = scripted(|mut stream, _| async move {
        let mut hello = [0; 3];
        stream.read_exact(&mut hello).await.unwrap();
        assert_eq!(hello, [5, 1, 2]);
        stream.write_all(&[5, 2]).await.unwrap();
        let mut user = [0; 7];
        stream.read_exact(&mut user).await.unwrap();
        assert_eq!(user, *b"\x01\x02me\x02pw");
        stream.write_all(&[1, 0]).await.unwrap();
        let mut connect = [0; 4 + 1 + 15 + 2];
        stream.read_exact(&mut connect).await.unwrap();
        assert_eq!(connect, *b"\x05\x01\x00\x03\x0ftracker.example\x00\x50");
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        head(&mut stream).await.unwrap();
        stream.write_all(&ok(ANSWER)).await.unwrap();
    })
    .await;
    let proxy = Proxy::parse(&format!("socks5://me:pw@{}", proxy.address)).unwrap();
    let client = Client::new(Config::default().proxy(Some(proxy)));
    client.announce(&"http://tracker.example/announce".parse().unwrap(), &request()).await.unwrap();
}

#[tokio::test]
async fn a_socks5_proxy_is_told_addresses_and_may_refuse() {
    let yes = &b"\x05\x00\x00\x03\x02me\x00\x01"[..];
    for (host, connect, reply, is_fine) in [
        ("192.0.2.1", &b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50"[..], yes, true),
        ("[2001:db8::1]", b"\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50", yes, true),
        ("t", b"\x05\x01\x00\x03\x01t\x00\x50", b"\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", true),
        ("t", b"\x05\x01\x00\x03\x01t\x00\x50", b"\x05\x05\x00\x01\0\0\0\0\0\0", false),
        ("t", b"\x05\x01\x00\x03\x01t\x00\x50", b"\x05\x00\x00\x09\0\0\0\0\0\0", false),
        ("t", b"\x05\x01\x00\x03\x01t\x00\x50", b"\x05\x00", false),
    ] {
        let proxy = scripted(move |mut stream, _| async move {
            let mut hello = [0; 3];
            stream.read_exact(&mut hello).await.unwrap();
            assert_eq!(hello, [5, 1, 0]);
            stream.write_all(&[5, 0]).await.unwrap();
            let mut heard = vec![0; connect.len()];
            stream.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, connect);
            stream.write_all(reply).await.unwrap();
            if is_fine && head(&mut stream).await.is_some() {
                stream.write_all(&ok(ANSWER)).await.unwrap();
            }
        })
        .await;
        let proxy = Proxy::parse(&format!("socks5h://{}", proxy.address)).unwrap();
        let client = Client::new(Config::default().proxy(Some(proxy)));
        let outcome = client.announce(&format!("http://{host}/announce").parse().unwrap(), &request()).await;
        assert!(if is_fine { outcome.is_ok() } else { matches!(outcome, Err(Error::Io(_))) }, "{host}: {outcome:?}");
    }
}
