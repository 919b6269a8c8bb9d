//! One task owns the UDP core and its sockets, one per address family, whatever the number of trackers.
//! It ends when the client is dropped.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rand::{TryRng as _, rngs::SysRng};
use tokio::{
    net::UdpSocket,
    sync::{OnceCell, mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use torrent_types::InfoHash;

use super::dial::Dialer;
use crate::{
    clock::now,
    error::Error,
    message::AnnounceRequest,
    udp::{Answer, RequestId, UdpClient, UdpError, UdpEvent},
};

pub(super) struct UdpHandle {
    dialer: Arc<Dialer>,
    commands: OnceCell<mpsc::UnboundedSender<Command>>,
    tokens: AtomicU64,
}

#[derive(Clone)]
pub(super) enum Question {
    Announce { request: AnnounceRequest, url_data: Box<str> },
    Scrape(Vec<InfoHash>),
}

enum Command {
    Ask { token: u64, to: SocketAddr, question: Question, reply: Reply },
    Cancel(u64),
}

type Reply = oneshot::Sender<Result<Answer, Error>>;

/// Tells the task when the caller has gone away.
struct Cancel<'a> {
    token: u64,
    commands: &'a mpsc::UnboundedSender<Command>,
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Cancel(self.token));
    }
}

impl UdpHandle {
    pub(super) fn new(dialer: Arc<Dialer>) -> Self {
        Self { dialer, commands: OnceCell::new(), tokens: AtomicU64::new(0) }
    }

    /// Asks one tracker at one address.
    pub(super) async fn ask(&self, to: SocketAddr, question: Question) -> Result<Answer, Error> {
        let commands = self.commands.get_or_try_init(async || self.spawn()).await?;
        let token = self.tokens.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        commands
            .send(Command::Ask { token, to, question, reply })
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        let _cancel = Cancel { token, commands };
        match timeout(self.dialer.config.udp_timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
            Err(_) => Err(Error::TimedOut),
        }
    }

    fn spawn(&self) -> io::Result<mpsc::UnboundedSender<Command>> {
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
        let (commands, inbox) = mpsc::unbounded_channel();
        let task = Task {
            core: UdpClient::new(seed),
            dialer: Arc::clone(&self.dialer),
            v4: None,
            v6: None,
            replies: HashMap::new(),
            tokens: HashMap::new(),
        };
        tokio::spawn(task.run(inbox));
        Ok(commands)
    }
}

struct Task {
    core: UdpClient,
    dialer: Arc<Dialer>,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    replies: HashMap<RequestId, (u64, Reply)>,
    tokens: HashMap<u64, RequestId>,
}

impl Task {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        let (mut buffer_v4, mut buffer_v6) = (vec![0; MAX_DATAGRAM], vec![0; MAX_DATAGRAM]);
        loop {
            let deadline = self.core.poll_timeout();
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => self.handle_command(command),
                    None => return,
                },
                datagram = receive(self.v4.as_ref(), &mut buffer_v4) => self.handle_datagram(datagram, &buffer_v4),
                datagram = receive(self.v6.as_ref(), &mut buffer_v6) => self.handle_datagram(datagram, &buffer_v6),
                () = sleep_until(deadline.map_or_else(Instant::now, Instant::from_std)), if deadline.is_some() => {
                    self.core.handle_timeout(now());
                }
            }
            self.drain().await;
        }
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Ask { token, to, question, reply } => match self.ask(to, question) {
                Ok(id) => {
                    self.tokens.insert(token, id);
                    self.replies.insert(id, (token, reply));
                }
                Err(error) => _ = reply.send(Err(error)),
            },
            Command::Cancel(token) => {
                if let Some(id) = self.tokens.remove(&token) {
                    self.replies.remove(&id);
                    self.core.cancel(now(), id);
                }
            }
        }
    }

    fn ask(&mut self, to: SocketAddr, question: Question) -> Result<RequestId, Error> {
        self.socket(to)?;
        Ok(match question {
            Question::Announce { request, url_data } => self.core.announce(now(), to, request, &url_data)?,
            Question::Scrape(info_hashes) => self.core.scrape(now(), to, &info_hashes)?,
        })
    }

    fn handle_datagram(&mut self, datagram: io::Result<(usize, SocketAddr)>, buffer: &[u8]) {
        // An error here is an ICMP message about an earlier datagram; the schedule deals with what got lost.
        if let Ok((length, from)) = datagram {
            self.core.handle_datagram(now(), from, buffer.get(..length).unwrap_or_default());
        }
    }

    async fn drain(&mut self) {
        while let Some(transmit) = self.core.poll_transmit() {
            if let Ok(socket) = self.socket(transmit.to)
                && let Err(error) = socket.send_to(&transmit.payload, transmit.to).await
            {
                tracing::debug!(tracker = %transmit.to, %error, "datagram not sent");
            }
        }
        while let Some(UdpEvent { id, outcome, .. }) = self.core.poll_event() {
            if let Some((token, reply)) = self.replies.remove(&id) {
                self.tokens.remove(&token);
                let _ = reply.send(outcome.map_err(Into::into));
            }
        }
    }

    /// The socket for `to`, made when it is first needed.
    fn socket(&mut self, to: SocketAddr) -> Result<&UdpSocket, Error> {
        let slot = if to.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        match slot {
            Some(socket) => Ok(socket),
            None => Ok(slot.insert(self.dialer.datagrams(to)?)),
        }
    }
}

impl From<UdpError> for Error {
    fn from(error: UdpError) -> Self {
        match error {
            UdpError::Decode(error) => error.into(),
            UdpError::Failure(failure) => failure.into(),
            UdpError::TimedOut => Self::TimedOut,
        }
    }
}

async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(buffer).await,
        None => std::future::pending().await,
    }
}

/// Larger than any answer of a tracker that does not rely on fragments.
const MAX_DATAGRAM: usize = 8192;
