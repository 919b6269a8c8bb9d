//! HTTP servers that are no good trackers.

use std::{io::Write as _, time::Duration};

use tokio::io::AsyncWriteExt as _;
use torrent_tracker::{Client, Config, DecodeError, Error, Refused, Retry, TrackerUrl};

use crate::scripted::{ANSWER, canned, head, ok, request, response, scripted};

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn plain_and_gzipped_answers_are_read() {
    for answer in [ok(ANSWER), response("200 OK", "Content-Encoding: gzip\r\n", &gzip(ANSWER))] {
        assert_eq!(canned(answer).await.announce().await.unwrap().peers, ["1.2.3.4:6881".parse().unwrap()]);
    }
    // Chunked, HTTP/1.0 without a length, a status line without a reason.
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nd8\r\n10\r\n:intervali900e5:\r\n8\r\npeers0:e\r\n0\r\n\r\n";
    assert_eq!(canned(*chunked).await.announce().await.unwrap().interval.as_secs(), 900);
    let old = scripted(|mut stream, _| async move {
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.0 200\r\n\r\nd8:intervali900ee").await.unwrap();
    });
    assert_eq!(old.await.announce().await.unwrap().interval.as_secs(), 900);
}

#[tokio::test]
async fn the_request_line_keeps_the_url_and_the_headers_are_plain() {
    let tracker = scripted(|mut stream, _| async move {
        let head = head(&mut stream).await.unwrap();
        let good = head.starts_with("GET /announce?passkey=%2f+'&info_hash=%01%01")
            && head.contains("\r\nhost: 127.0.0.1:")
            && head.contains("\r\nuser-agent: me/1 evil: yes\r\n");
        let body = if good { ANSWER } else { head.as_bytes() };
        stream.write_all(&ok(body)).await.unwrap();
    })
    .await;
    let url: TrackerUrl = format!("http://{}/announce?passkey=%2f+'", tracker.address).parse().unwrap();
    let client = Client::new(Config::default().user_agent("me/1\r\n evil: yes"));
    client.announce(&url, &request()).await.unwrap();
}

#[tokio::test]
async fn bodies_that_are_too_large_are_refused_in_every_form() {
    let zeros = vec![0; 2 << 20];
    let bomb = gzip(&vec![b'd'; 100 << 20]);
    assert!(bomb.len() < 1 << 20);
    for answer in [
        ok(&zeros),
        response("200 OK", "Content-Encoding: gzip\r\n", &bomb),
        [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &zeros].concat(),
    ] {
        let outcome = canned(answer).await.announce().await;
        assert!(matches!(outcome, Err(Error::Refused(Refused::BodyTooLarge))), "{outcome:?}");
    }
    // As large as it says, and no more is read than allowed.
    let endless = scripted(|mut stream, _| async move {
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        while stream.write_all(b"400\r\n").await.is_ok() && stream.write_all(&[0; 1026]).await.is_ok() {}
    });
    assert!(endless.await.announce().await.is_err());
}

#[tokio::test]
async fn bodies_that_are_no_answers_are_decode_errors() {
    for body in [&b""[..], &[0; 5000], b"<html>404</html>", b"li1ee"] {
        let outcome = canned(ok(body)).await.announce().await;
        assert!(matches!(outcome, Err(Error::Decode(_))), "{outcome:?}");
    }
    let damaged = response("200 OK", "Content-Encoding: gzip\r\n", &gzip(ANSWER)[..20]);
    let outcome = canned(damaged).await.announce().await;
    assert!(matches!(outcome, Err(Error::Decode(DecodeError::Compression))), "{outcome:?}");
    let foreign = response("200 OK", "Content-Encoding: br\r\n", ANSWER);
    let outcome = canned(foreign).await.announce().await;
    assert!(matches!(outcome, Err(Error::Refused(Refused::Encoding))), "{outcome:?}");
}

#[tokio::test]
async fn not_http_is_an_error() {
    for answer in
        [&b"\x00\x01\x02\x03\r\n\r\n"[..], b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
    {
        assert!(matches!(canned(answer).await.announce().await, Err(Error::Io(_))));
    }
    let headers = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(100_000));
    assert!(canned(headers).await.announce().await.is_err());
    let closes = scripted(|stream, _| async move { drop(stream) });
    assert!(matches!(closes.await.announce().await, Err(Error::Io(_))));
}

#[tokio::test]
async fn the_trackers_words_count_more_than_the_status() {
    let tracker = canned(response("403 Forbidden", "", b"d14:failure reason6:banned8:retry in5:nevere")).await;
    match tracker.announce().await {
        Err(Error::Failure(failure)) => {
            assert_eq!((failure.reason.as_str(), failure.retry), ("banned", Some(Retry::Never)));
        }
        other => panic!("{other:?}"),
    }
    let outcome = canned(response("503 Busy", "", b"<html>")).await.announce().await;
    assert!(matches!(outcome, Err(Error::Status(503))), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_drip_ends_at_the_deadline() {
    let drip = scripted(|mut stream, _| async move {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await;
        let mut pace = tokio::time::interval(Duration::from_secs(1));
        while stream.write_all(b"d").await.is_ok() {
            pace.tick().await;
        }
    })
    .await;
    let started = tokio::time::Instant::now();
    assert!(matches!(drip.announce().await, Err(Error::TimedOut)));
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_deadline() {
    let silent = scripted(|mut stream, _| async move { while head(&mut stream).await.is_some() {} }).await;
    assert!(matches!(silent.announce().await, Err(Error::TimedOut)));
}
