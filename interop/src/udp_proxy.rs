//! A UDP proxy that treats datagrams as a bad path does. In: where to listen, whom to pass datagrams on to. Out: the same datagrams, late, in
//! another order, or not at all. Runs as tasks of the test's tokio runtime, which end with it.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{net::UdpSocket, time::sleep};

/// What happens to datagrams, in both directions.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "filled in by tests")]
pub struct Path {
    /// One way takes so long.
    pub delay: Duration,
    /// Of a thousand datagrams, so many are lost.
    pub lost: u64,
    /// Of a thousand datagrams, so many are later than the delay, by up to half of it.
    pub reordered: u64,
}

/// A proxy in front of one address.
#[derive(Debug)]
pub struct UdpProxy {
    address: SocketAddr,
}

#[derive(Debug)]
struct Luck(AtomicU64);

impl Luck {
    /// A number below 1,000 by splitmix64.
    fn draw(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % 1000
    }
}

impl UdpProxy {
    /// Listens at any port of `listen`'s address and passes on to `target`.
    ///
    /// # Errors
    /// If the system gives no socket.
    pub async fn start(listen: SocketAddr, target: SocketAddr, path: Path) -> io::Result<Self> {
        let front = Arc::new(UdpSocket::bind(listen).await?);
        let address = front.local_addr()?;
        tokio::spawn(serve(front, target, path));
        Ok(Self { address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(front: Arc<UdpSocket>, target: SocketAddr, path: Path) -> io::Result<()> {
    let luck = Arc::new(Luck(AtomicU64::new(1)));
    let mut callers: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let (count, from) = front.recv_from(&mut buffer).await?;
        let back = if let Some(back) = callers.get(&from) {
            Arc::clone(back)
        } else {
            let back = Arc::new(UdpSocket::bind(SocketAddr::new(front.local_addr()?.ip(), 0)).await?);
            callers.insert(from, Arc::clone(&back));
            tokio::spawn(answer(Arc::clone(&front), Arc::clone(&back), from, path, Arc::clone(&luck)));
            back
        };
        pass(&luck, path, buffer[..count].to_vec(), back, target);
    }
}

/// Passes back what comes for one caller.
async fn answer(
    front: Arc<UdpSocket>,
    back: Arc<UdpSocket>,
    to: SocketAddr,
    path: Path,
    luck: Arc<Luck>,
) -> io::Result<()> {
    let mut buffer = vec![0; 65_536];
    loop {
        let (count, _) = back.recv_from(&mut buffer).await?;
        pass(&luck, path, buffer[..count].to_vec(), Arc::clone(&front), to);
    }
}

fn pass(luck: &Luck, path: Path, datagram: Vec<u8>, by: Arc<UdpSocket>, to: SocketAddr) {
    if luck.draw() < path.lost {
        return;
    }
    let mut delay = path.delay;
    if luck.draw() < path.reordered {
        delay += path.delay.mul_f64(luck.draw() as f64 / 2000.0);
    }
    tokio::spawn(async move {
        sleep(delay).await;
        let _ = by.send_to(&datagram, to).await;
    });
}
