//! One stream over loopback: `cargo run --release --example throughput -- [MiB]`. Prints wall time and throughput.

use std::{error::Error, net::SocketAddr, time::Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use torrent_utp::UtpSocket;

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "it measures")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mib: usize = std::env::args().nth(1).map_or(Ok(1024), |text| text.parse())?;
    let any: SocketAddr = "127.0.0.1:0".parse()?;
    let (server, client) = (UtpSocket::bind(any)?, UtpSocket::bind(any)?);
    let to = server.local_addr();
    let began = Instant::now();
    let receiver = tokio::spawn(async move {
        let mut stream = server.accept().await?;
        let mut buffer = vec![0; 256 << 10];
        let mut total = 0;
        loop {
            match stream.read(&mut buffer).await? {
                0 => return Ok::<_, std::io::Error>((total, stream.stats())),
                count => total += count,
            }
        }
    });
    let mut stream = client.connect(to).await?;
    let block = vec![7; 256 << 10];
    for _ in 0..mib * 4 {
        stream.write_all(&block).await?;
    }
    stream.shutdown().await?;
    let (received, theirs) = receiver.await??;
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(received, mib << 20);
    println!("{:.2} s, {:.0} MiB/s", seconds, mib as f64 / seconds);
    println!("sender {:?}\nreceiver {theirs:?}", stream.stats());
    Ok(())
}
