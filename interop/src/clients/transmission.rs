//! transmission-cli. It cannot be told of a peer, so it leeches through a tracker; it never ends, so it gets a script to run
//! when it is done; and it keeps one connection per IP address, whatever the port, its own address included.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    process::Command,
};

use super::{Client, Encryption, Job, Manner, command};
use crate::tools;

/// What has no flag.
const SETTINGS: &str = r#""dht-enabled": false, "lpd-enabled": false, "port-forwarding-enabled": false,
"speed-limit-up-enabled": false"#;

pub(super) fn seed(job: &Job<'_>) -> Option<Command> {
    start(job, "--verify")
}

pub(super) fn leech(job: &Job<'_>) -> Option<Command> {
    let script = job.home.join("finish.sh");
    fs::write(&script, format!("#!/bin/sh\ntouch '{}'\n", job.done_file().display())).expect("a script");
    fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("a script can be made to run");
    let mut command = start(job, "")?;
    command.arg("--finish").arg(script);
    Some(command)
}

fn start(job: &Job<'_>, how: &str) -> Option<Command> {
    let program = tools::installed("transmission-cli")?;
    let config = job.home.join("config");
    fs::create_dir_all(&config).expect("a folder for the settings");
    let Manner { pex, download_limit, utp, .. } = job.manner;
    let (limited, kilobytes) = (download_limit.is_some(), download_limit.unwrap_or_default() / 1000);
    let settings = format!(
        r#"{{"bind-address-ipv4": "{}", "pex-enabled": {pex}, "utp-enabled": {utp}, "speed-limit-down-enabled": {limited},
"speed-limit-down": {kilobytes}, {SETTINGS}}}"#,
        Client::Transmission.ip()
    );
    fs::write(config.join("settings.json"), settings).expect("settings");
    let encryption = match job.manner.encryption {
        Encryption::AsAlways => "",
        // The least that it knows. An encrypted handshake with plain text behind it is what it likes best then.
        Encryption::Never | Encryption::Handshake => "--encryption-tolerated",
        Encryption::Required => "--encryption-required",
    };
    let mut command = command(program, &["--no-portmap", encryption, how, "--port", &job.port.to_string()]);
    command.arg("--config-dir").arg(config).arg("--download-dir").arg(job.folder).arg(job.source());
    Some(command)
}
