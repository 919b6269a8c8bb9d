//! opentracker, on HTTP and UDP.

use std::{
    fs::{self, Permissions},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Command,
};

use crate::{ADDRESS, Process, Scratch, free_port, process::ATTEMPT, tools, until};

/// A running opentracker.
#[derive(Debug)]
pub struct Tracker {
    address: SocketAddr,
    whitelist: PathBuf,
    process: Process,
}

impl Tracker {
    /// `None` if it is not installed.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(scratch: &Scratch) -> Option<Self> {
        let program = tools::installed("opentracker")?;
        let address = SocketAddr::from((ADDRESS, free_port()));
        let folder = scratch.folder("tracker");
        let whitelist = folder.join("whitelist");
        fs::write(&whitelist, "").expect("a whitelist");
        // It gives up its privileges, and its root directory becomes this folder: then it has to read the list.
        for path in [scratch.path(), &folder, &whitelist] {
            fs::set_permissions(path, Permissions::from_mode(0o777)).expect("a folder for everybody");
        }
        let port = address.port().to_string();
        let mut command = Command::new(program);
        // Debian builds it to serve listed torrents only.
        command.args(["-w", "whitelist", "-i", &ADDRESS.to_string(), "-p", &port, "-P", &port, "-u", "nobody", "-d"]);
        command.arg(&folder);
        let mut process = Process::start("opentracker", command, &folder);
        process.wait_for_listener(address);
        Some(Self { address, whitelist, process })
    }

    /// Where it listens, for HTTP and UDP.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The HTTP announce URL. The UDP one has the same host and port.
    #[must_use]
    pub fn announce(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// Puts a torrent on the list and returns when the tracker knows it.
    ///
    /// # Panics
    /// If it does not learn of it.
    pub fn admit(&self, info_hash: &str) {
        let listed = fs::read_to_string(&self.whitelist).unwrap_or_default();
        fs::write(&self.whitelist, format!("{listed}{info_hash}\n")).expect("the whitelist is writable");
        // Only who comes is told that there is no such torrent; who leaves never is.
        let announce = |event: &str| {
            let peer = "peer_id=-XX0000-000000000000&port=9&uploaded=0&downloaded=0&left=1&compact=1";
            self.request(&format!("/announce?info_hash={}&{peer}&event={event}", escaped(info_hash)))
        };
        let mut looks = 0;
        let is_admitted = || {
            // SIGHUP makes it read the list again, a moment later. A second one, still on its way when the first has had its
            // effect, could spoil that, so it comes only when the first seems lost.
            if looks % 50 == 0 {
                self.process.hang_up();
            }
            looks += 1;
            (!announce("started")?.contains("failure")).then_some(())
        };
        until(is_admitted).expect("opentracker does not admit the torrent");
        let _ = announce("stopped");
    }

    /// Makes known a seed at `port` of this address, for clients that cannot be told of a peer.
    ///
    /// # Panics
    /// If the tracker does not take it.
    pub fn announce_seed(&self, info_hash: &str, port: u16) {
        let peer =
            format!("peer_id=-XX0000-{port:012}&port={port}&uploaded=0&downloaded=0&left=0&compact=1&event=started");
        let answer = self.request(&format!("/announce?info_hash={}&{peer}", escaped(info_hash))).unwrap_or_default();
        assert!(answer.contains("5:peers"), "opentracker does not take a seed: {answer}");
    }

    /// Waits until `count` seeds of the torrent have announced themselves.
    ///
    /// # Panics
    /// If they do not.
    pub fn wait_for_seeds(&self, info_hash: &str, count: usize) {
        let wanted = format!("8:completei{count}e");
        let found = until(|| {
            let answer = self.request(&format!("/scrape?info_hash={}", escaped(info_hash)))?;
            answer.contains(&wanted).then_some(())
        });
        assert!(found.is_some(), "the tracker never heard of {count} seeds");
    }

    fn request(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, ATTEMPT).ok()?;
        stream.set_read_timeout(Some(ATTEMPT)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// Each byte as `%xx`.
fn escaped(hex: &str) -> String {
    hex.as_bytes().chunks(2).map(|pair| format!("%{}", String::from_utf8_lossy(pair))).collect()
}
