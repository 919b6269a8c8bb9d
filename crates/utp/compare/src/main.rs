//! usage: torrent-utp-compare bench ours|rqbit MIB            one stream over loopback, with the CPU time of both ends
//!        torrent-utp-compare ours|rqbit serve|dial ADDRESS MIB   the caller sends MIB and then receives as much; both check it

use std::{error::Error, io, net::SocketAddr, time::Instant};

use librqbit_utp::UtpSocketUdp;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use torrent_utp::UtpSocket;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

const PERIOD: usize = 8191;

/// The bytes of every stream: a block of a prime length, again and again.
fn block() -> Vec<u8> {
    (0..PERIOD as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<_>>().repeat(32)
}

async fn send(stream: &mut dyn Stream, mib: usize) -> io::Result<()> {
    let (block, mut left) = (block(), mib << 20);
    while left > 0 {
        let count = left.min(block.len());
        stream.write_all(&block[..count]).await?;
        left -= count;
    }
    stream.flush().await
}

async fn receive(stream: &mut dyn Stream, mib: usize) -> io::Result<()> {
    let block = block();
    let (mut got, mut buffer) = (0, vec![0; 128 << 10]);
    while got < mib << 20 {
        let room = buffer.len().min((mib << 20) - got);
        let count = stream.read(&mut buffer[..room]).await?;
        if count == 0 {
            return Err(io::Error::other(format!("the stream ends after {got} bytes")));
        }
        let at = got % PERIOD;
        assert!(buffer[..count] == block[at..at + count], "the stream is damaged at {got}");
        got += count;
    }
    Ok(())
}

async fn serve(stream: &mut dyn Stream, mib: usize) -> Outcome<()> {
    receive(stream, mib).await?;
    send(stream, mib).await?;
    // The caller hangs up once it has everything.
    let mut rest = [0; 1];
    let _ = stream.read(&mut rest).await;
    Ok(())
}

async fn dial(stream: &mut dyn Stream, mib: usize) -> Outcome<()> {
    send(stream, mib).await?;
    receive(stream, mib).await?;
    stream.shutdown().await?;
    Ok(())
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields[11..13].iter().filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

async fn bench(kind: &str, mib: usize) -> Outcome<()> {
    let any: SocketAddr = "127.0.0.1:0".parse()?;
    let (mut a, mut b): (Box<dyn Stream>, Box<dyn Stream>) = if kind == "ours" {
        let (a, b) = (UtpSocket::bind(any)?, UtpSocket::bind(any)?);
        let to = b.local_addr();
        let (mut dialled, accepted) = (a.connect(to).await?, b.accept());
        dialled.write_all(&[0]).await?;
        let mut accepted = accepted.await?;
        accepted.read_u8().await?;
        (Box::new(dialled), Box::new(accepted))
    } else {
        let (a, b) = (UtpSocketUdp::new_udp(any).await?, UtpSocketUdp::new_udp(any).await?);
        let to = b.bind_addr();
        let (dialled, accepted) = tokio::join!(a.connect(to), b.accept());
        (Box::new(dialled?), Box::new(accepted?))
    };
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let sender = tokio::spawn(async move {
        send(&mut *a, mib).await?;
        Ok::<_, io::Error>(a)
    });
    receive(&mut *b, mib).await?;
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let gib = mib as f64 / 1024.0;
    println!("{kind}: {:.0} MiB/s, {:.2} CPU s/GiB of both ends", mib as f64 / wall, cpu / gib);
    drop(sender.await??);
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["bench", kind, mib] => bench(kind, mib.parse()?).await,
        [kind, role, address, mib] => {
            let (address, mib) = (address.parse::<SocketAddr>()?, mib.parse()?);
            let own = if role == "serve" { address } else { SocketAddr::new(address.ip(), 0) };
            let mut stream: Box<dyn Stream> = match (kind, role) {
                ("ours", "serve") => Box::new(UtpSocket::bind(own)?.accept().await?),
                ("ours", _) => Box::new(UtpSocket::bind(SocketAddr::from(([0, 0, 0, 0], 0)))?.connect(address).await?),
                (_, "serve") => Box::new(UtpSocketUdp::new_udp(own).await?.accept().await?),
                (_, _) => {
                    let socket = UtpSocketUdp::new_udp(SocketAddr::from(([0, 0, 0, 0], 0))).await?;
                    Box::new(socket.connect(address).await?)
                }
            };
            let began = Instant::now();
            if role == "serve" { serve(&mut *stream, mib).await? } else { dial(&mut *stream, mib).await? }
            println!("done in {:.2} s", began.elapsed().as_secs_f64());
            // What was said last has to arrive.
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            Ok(())
        }
        _ => Err("usage: bench ours|rqbit MIB, or ours|rqbit serve|dial ADDRESS MIB".into()),
    }
}
