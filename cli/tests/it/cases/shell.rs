//! Shells, terminals and processes.

use super::*;

#[test]
fn bash_completes_files_on_an_empty_word() {
    let folder = Folder::new();
    let script = folder.run(&["completions", "bash"]).text().to_owned();
    folder.write("script.bash", &script);
    folder.write("album.torrent", "");
    let complete = |words: &str, at: usize| {
        let line = format!(
            "source ./script.bash; COMP_WORDS=({words}); COMP_CWORD={at}; COMPREPLY=(); _torrent torrent \"${{COMP_WORDS[{at}]}}\" ''; echo \"${{COMPREPLY[*]}}\""
        );
        let output = Command::new("bash").args(["-c", &line]).current_dir(folder.path("")).output();
        output
            .ok()
            .filter(|output| output.status.success())
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // Where there is no bash, there is nothing to complete.
    let Some(empty) = complete("torrent show ''", 2) else { return };
    assert_eq!(empty.trim(), "", "bash falls back to the names of files then");
    assert_eq!(complete("torrent show a.torrent ''", 3).unwrap().trim(), "");
    assert_eq!(complete("torrent bencode from-json ''", 3).unwrap().trim(), "");
    assert!(complete("torrent show -", 2).unwrap().contains("--json"));
    assert!(complete("torrent ''", 1).unwrap().contains("show"));
    assert!(complete("torrent bencode ''", 2).unwrap().contains("from-json"));
    assert!(script.contains("-o bashdefault -o default"), "which falls back");
}

#[cfg(target_os = "linux")]
#[test]
fn few_descriptors_are_an_error_and_no_panic() {
    let folder = Folder::new();
    folder.album();
    for limit in 3..24 {
        for command in [
            "show t.torrent",
            "verify -q t.torrent",
            "create -q -f -o x album",
            "announce http://127.0.0.1:1/ t.torrent",
        ] {
            let line = format!("ulimit -n {limit}; exec \"$T\" {command}");
            let mut shell = Command::new("sh");
            shell.args(["-c", &line]).current_dir(folder.path("")).env("T", env!("CARGO_BIN_EXE_torrent"));
            let output = shell.output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            // 127: the loader itself had too few.
            assert!(
                matches!(output.status.code(), Some(0 | 1 | 5 | 8 | 127)),
                "{limit} {command}: {:?} {stderr}",
                output.status
            );
            assert!(!stderr.contains("panicked"), "{limit} {command}: {stderr}");
        }
    }
}
