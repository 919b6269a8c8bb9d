//! Nothing that a peer does or leaves undone keeps a download from its end, as long as somebody gives what is missing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{net::TcpListener, sync::Notify};
use torrent_client::{AddTorrent, Encryption, Torrent};
use torrent_wire::{Message, RawBlock, Reserved};

use crate::{
    fake::{self, Fake},
    fixture::{Fixture, client, complete},
};

const BLOCK: u32 = 1 << 14;

/// A download that waits for peers.
async fn leech(
    fixture: &Fixture,
    peers: &[std::net::SocketAddr],
) -> (torrent_client::Client, Torrent, tempfile::TempDir) {
    let (leech, _) = client(Encryption::Disabled).await;
    let folder = tempfile::tempdir().unwrap();
    let torrent = fixture.download(&leech, folder.path(), peers);
    (leech, torrent, folder)
}

#[tokio::test]
async fn a_piece_that_two_peers_gave_and_that_was_bad_is_fetched_again() {
    const BLOCKS: u32 = 32;
    let fixture = Fixture::single((BLOCKS * BLOCK) as usize, BLOCKS * BLOCK);
    let seed = fixture.seed_data();
    // The liar gives a part of the piece with one bad block, the other peer the rest; then both are honest.
    let second_round = Arc::new(AtomicBool::new(false));
    let (given, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let behave = {
        let (seed, second_round) = (seed.clone(), Arc::clone(&second_round));
        move |lies: bool| {
            let (seed, second_round, given, enough) =
                (seed.clone(), Arc::clone(&second_round), Arc::clone(&given), Arc::clone(&enough));
            move |mut fake: Fake| {
                let (seed, second_round, given, enough) =
                    (seed.clone(), Arc::clone(&second_round), Arc::clone(&given), Arc::clone(&enough));
                async move {
                    fake.say(&full_field()).say(&Message::Unchoke);
                    while let Some(block) = fake.next_request().await {
                        if !second_round.load(Ordering::SeqCst) {
                            let number = given.fetch_add(1, Ordering::SeqCst) as u32 + 1;
                            if number >= BLOCKS {
                                second_round.store(true, Ordering::SeqCst);
                                enough.notify_waiters();
                            }
                            if lies && block.begin == 0 {
                                let data = vec![0xee; block.length as usize];
                                fake.say(&Message::Piece { piece: block.piece, begin: block.begin, data: &data });
                                continue;
                            }
                        }
                        fake.give(&seed, block);
                    }
                }
            }
        }
    };
    let liar = fake::listener(seed.info_hash, Reserved::NONE, behave(true)).await;
    let honest = fake::listener(seed.info_hash, Reserved::NONE, behave(false)).await;
    let (_client, torrent, folder) = leech(&fixture, &[liar, honest]).await;
    complete(&torrent).await;
    fixture.assert_in(folder.path());
}

/// A bitfield of one piece.
fn full_field() -> Message<'static> {
    Message::Bitfield(&[0x80])
}

#[tokio::test]
async fn a_request_that_is_never_answered_is_made_again() {
    let fixture = Fixture::single(2 << 20, 1 << 18);
    let seed = fixture.seed_data();
    for reserved in [Reserved::NONE, Reserved::FAST] {
        let seed = seed.clone();
        let address = fake::listener(seed.info_hash, reserved, move |mut fake| {
            let seed = seed.clone();
            async move {
                fake.say(&Message::Bitfield(&[0xff])).say(&Message::Unchoke);
                let mut requests = 0;
                while let Some(block) = fake.next_request().await {
                    requests += 1;
                    if requests != 20 {
                        fake.give(&seed, block);
                    }
                }
            }
        })
        .await;
        let (_client, torrent, folder) = leech(&fixture, &[address]).await;
        complete(&torrent).await;
        fixture.assert_in(folder.path());
    }
}

#[tokio::test]
async fn a_peer_that_keeps_few_requests_and_drops_the_others_still_gives_everything() {
    let fixture = Fixture::single(4 << 20, 1 << 18);
    let seed = fixture.seed_data();
    let address = fake::listener(seed.info_hash, Reserved::NONE, {
        let seed = seed.clone();
        move |mut fake| {
            let seed = seed.clone();
            async move {
                fake.say(&Message::Bitfield(&[0xff, 0xff])).say(&Message::Unchoke);
                let mut queue: std::collections::VecDeque<RawBlock> = std::collections::VecDeque::new();
                let mut ticks = tokio::time::interval(Duration::from_millis(2));
                loop {
                    tokio::select! {
                        block = fake.next_request() => match block {
                            Some(block) if queue.len() < 16 => queue.push_back(block),
                            Some(_) => {}
                            None => return,
                        },
                        _ = ticks.tick() => {
                            queue.pop_front().into_iter().for_each(|block| { fake.give(&seed, block); });
                            if fake.flush().await.is_none() {
                                return;
                            }
                        }
                    }
                }
            }
        }
    })
    .await;
    let (_client, torrent, folder) = leech(&fixture, &[address]).await;
    complete(&torrent).await;
    fixture.assert_in(folder.path());
}

#[tokio::test]
async fn a_fast_peer_that_chokes_without_rejects_is_asked_again_at_each_unchoke() {
    let fixture = Fixture::single(2 << 20, 1 << 18);
    let seed = fixture.seed_data();
    let address = fake::listener(seed.info_hash, Reserved::FAST, {
        let seed = seed.clone();
        move |mut fake| {
            let seed = seed.clone();
            async move {
                fake.say(&Message::HaveAll);
                loop {
                    fake.say(&Message::Unchoke);
                    for _ in 0..40 {
                        let Some(block) = fake.next_request().await else { return };
                        fake.give(&seed, block);
                    }
                    fake.say(&Message::Choke);
                    // What was asked for until now is forgotten.
                    let pause = tokio::time::sleep(Duration::from_millis(300));
                    tokio::pin!(pause);
                    loop {
                        tokio::select! {
                            () = &mut pause => break,
                            said = fake.next() => if said.is_none() { return },
                        }
                    }
                }
            }
        }
    })
    .await;
    let (_client, torrent, folder) = leech(&fixture, &[address]).await;
    complete(&torrent).await;
    fixture.assert_in(folder.path());
}

#[tokio::test]
async fn the_last_blocks_are_asked_of_another_peer_when_one_holds_them() {
    let fixture = Fixture::single(1 << 20, 1 << 18);
    let seed = fixture.seed_data();
    let silent = fake::listener(seed.info_hash, Reserved::FAST, |mut fake| async move {
        fake.say(&Message::HaveAll).say(&Message::Unchoke);
        fake.listen().await;
    });
    let mut peers = Vec::new();
    peers.push(silent.await);
    for _ in 0..3 {
        let another = fake::listener(seed.info_hash, Reserved::FAST, |mut fake| async move {
            fake.say(&Message::HaveAll).say(&Message::Unchoke);
            fake.listen().await;
        });
        peers.push(another.await);
    }
    let honest = fake::listener(seed.info_hash, Reserved::FAST, {
        let seed = seed.clone();
        move |mut fake| {
            let seed = seed.clone();
            async move {
                fake.say(&Message::HaveAll).say(&Message::Unchoke);
                fake.serve(&seed).await;
            }
        }
    });
    peers.push(honest.await);
    let (_client, torrent, folder) = leech(&fixture, &peers).await;
    complete(&torrent).await;
    fixture.assert_in(folder.path());
}

#[tokio::test]
async fn a_peer_that_hangs_up_after_giving_something_is_dialled_again_soon() {
    let fixture = Fixture::single(2 << 20, 1 << 18);
    let seed = fixture.seed_data();
    let address = fake::listener(seed.info_hash, Reserved::FAST, {
        let seed = seed.clone();
        move |mut fake| {
            let seed = seed.clone();
            async move {
                fake.say(&Message::HaveAll).say(&Message::Unchoke);
                for _ in 0..40 {
                    let Some(block) = fake.next_request().await else { return };
                    fake.give(&seed, block);
                }
                let _ = fake.flush().await;
            }
        }
    })
    .await;
    let (_client, torrent, folder) = leech(&fixture, &[address]).await;
    complete(&torrent).await;
    fixture.assert_in(folder.path());
}

#[tokio::test]
async fn a_dial_that_comes_about_after_the_stop_is_not_used() {
    let fixture = Fixture::single(1 << 20, 1 << 18);
    let seed = fixture.seed_data();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, torrent, folder) = leech(&fixture, &[listener.local_addr().unwrap()]).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    torrent.stop().await;
    // The handshake is answered only now.
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut theirs = [0; 68];
    let _ = stream.read_exact(&mut theirs).await;
    let mut answer = fake::hello(seed.info_hash, Reserved::FAST);
    Message::HaveAll.encode(&mut answer);
    Message::Unchoke.encode(&mut answer);
    let _ = stream.write_all(&answer).await;
    let mut rest = Vec::new();
    // It ends, and nothing was asked for.
    let _ = stream.read_to_end(&mut rest).await;
    assert_eq!(torrent.stats().downloaded, 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file is made");
    // The same from the other side.
    let address = ([127, 0, 0, 1], client.port()).into();
    assert!(Fake::dial(address, seed.info_hash, Reserved::FAST).await.is_none());
}

#[tokio::test]
async fn two_downloads_of_one_client_do_not_wait_for_each_other() {
    let (one, other) = (Fixture::single(1 << 20, 1 << 16), Fixture::single((1 << 20) + 1, 1 << 16));
    let (_seed, address) = one.seed(Encryption::Disabled).await;
    let (client, _) = client(Encryption::Disabled).await;
    let (folder_one, folder_other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Nobody has the other one.
    let waiting = other.download(&client, folder_other.path(), &[]);
    let torrent = one.download(&client, folder_one.path(), &[address]);
    complete(&torrent).await;
    one.assert_in(folder_one.path());
    assert_eq!(waiting.have().count_ones(), 0);
    let add = AddTorrent::new(one.metainfo.clone(), folder_one.path());
    assert!(client.add(add).is_err(), "it is there already");
    assert_eq!(client.torrents().len(), 2);
}
