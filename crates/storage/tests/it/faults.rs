//! Disks that refuse and folders that were tampered with.

use std::io::IoSlice;

use torrent_storage::{ErrorKind, FileEntry, Layout, MemoryStorage, Storage};

use crate::{layout, read, write};

#[test]
fn a_full_storage_says_so_keeps_what_it_has_and_goes_on_later() {
    let storage = MemoryStorage::limited(30);
    let (one, two) = (storage.open(&layout(&[20])).unwrap(), storage.open(&layout(&[21])).unwrap());
    write(&*one, 0, &[1; 20]);
    let parts = [IoSlice::new(&[2; 21])];
    assert_eq!(two.write_at(0, &parts).unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(read(&*one, 0, 20), [1; 20]);
    one.remove().unwrap();
    two.write_at(0, &parts).unwrap();
    assert_eq!(read(&*two, 0, 21), [2; 21]);
    assert_eq!(storage.used(), 21);
}

#[cfg(unix)]
mod unix {
    use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

    use tempfile::tempdir;
    use torrent_storage::FileStorage;

    use super::*;

    #[test]
    fn a_symbolic_link_is_never_followed() {
        let (root, outside) = (tempdir().unwrap(), tempdir().unwrap());
        fs::write(outside.path().join("secret"), "secret").unwrap();
        let files = [FileEntry::new("file", 6), FileEntry::new("folder/secret", 6), FileEntry::new("a/b/c", 6)];
        let torrent = FileStorage::new(root.path()).open(&Layout::new(files).unwrap()).unwrap();
        symlink(outside.path().join("secret"), root.path().join("file")).unwrap();
        symlink(outside.path(), root.path().join("folder")).unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        symlink("../..", root.path().join("a/b")).unwrap();
        for offset in [0, 6, 12] {
            let refused = torrent.write_at(offset, &[IoSlice::new(b"broken")]).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::SymbolicLink, "{refused}");
            assert!(refused.to_string().contains("symbolic link"), "{refused}");
            let refused = torrent.read_at(offset, &mut [0; 6]).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::SymbolicLink, "{refused}");
        }
        assert!(torrent.finish().is_err());
        assert!(torrent.stat().is_err());
        let _ = torrent.remove();
        assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_root_that_is_a_link_is_what_the_user_named() {
        let root = tempdir().unwrap();
        fs::create_dir(root.path().join("real")).unwrap();
        symlink("real", root.path().join("link")).unwrap();
        let torrent = FileStorage::new(root.path().join("link")).open(&layout(&[3])).unwrap();
        write(&*torrent, 0, b"abc");
        assert_eq!(fs::read(root.path().join("real/d/0")).unwrap(), b"abc");
    }

    #[test]
    fn folders_and_pipes_in_place_of_a_file_are_refused_at_once() {
        let root = tempdir().unwrap();
        fs::create_dir_all(root.path().join("d/0")).unwrap();
        assert!(Command::new("mkfifo").arg(root.path().join("d/1")).status().unwrap().success());
        let torrent = FileStorage::new(root.path()).open(&layout(&[3, 3])).unwrap();
        for offset in [0, 3] {
            let refused = torrent.write_at(offset, &[IoSlice::new(b"abc")]).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::NotAFile, "{refused}");
            assert_eq!(torrent.read_at(offset, &mut [0]).unwrap_err().kind(), ErrorKind::NotAFile);
        }
    }

    #[test]
    fn a_whole_torrent_on_a_read_only_file_system_can_be_finished_and_read() {
        let root = tempdir().unwrap();
        write(&*FileStorage::new(root.path()).open(&layout(&[5, 5])).unwrap(), 0, b"0123456789");
        in_mount_namespace(root.path(), "mount --bind . . && mount -o remount,bind,ro .", |root| {
            let torrent = FileStorage::new(root).open(&layout(&[5, 5])).unwrap();
            assert_eq!(read(&*torrent, 0, 10), b"0123456789");
            torrent.finish().unwrap();
            let refused = torrent.write_at(0, &[IoSlice::new(b"x")]).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ReadOnly, "{refused}");
            assert!(refused.to_string().contains("d/0"), "{refused}");
        });
    }

    #[test]
    fn a_full_disk_is_full_until_there_is_space_again() {
        let root = tempdir().unwrap();
        in_mount_namespace(root.path(), "mount -t tmpfs -o size=1m tmpfs .", |root| {
            let torrent = FileStorage::new(root).open(&layout(&[1 << 20, 1 << 20])).unwrap();
            fs::write(root.join("ballast"), vec![0; 512 << 10]).unwrap();
            let piece = vec![7; 768 << 10];
            let refused = torrent.write_at(0, &[IoSlice::new(&piece)]).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Full, "{refused}");
            assert!(refused.to_string().contains("No space left"), "{refused}");
            fs::remove_file(root.join("ballast")).unwrap();
            torrent.write_at(0, &[IoSlice::new(&piece)]).unwrap();
            assert_eq!(read(&*torrent, 0, piece.len()), piece);
        });
    }

    /// Runs a test with `root` mounted otherwise, in a process of its own, where this user may do that.
    fn in_mount_namespace(root: &Path, mount: &str, test: impl FnOnce(&Path)) {
        const INSIDE: &str = "TORRENT_STORAGE_TEST_ROOT";
        if let Some(root) = std::env::var_os(INSIDE) {
            return test(Path::new(&root));
        }
        let name = std::thread::current().name().expect("the test's name").to_owned();
        let script = format!("{mount} && cd \"$PWD\" && exec \"$0\" --exact \"$1\" --nocapture");
        let unshare = |command: &[&str]| {
            let mut unshare = Command::new("unshare");
            unshare.args(["--mount", "--map-root-user"]).args(command).current_dir(root).env(INSIDE, root);
            unshare
        };
        if !unshare(&["sh", "-c", mount]).status().is_ok_and(|status| status.success()) {
            return eprintln!("skipped: this user may not mount");
        }
        let binary = std::env::current_exe().unwrap();
        let status = unshare(&["sh", "-c", &script]).arg(binary).arg(&name).status().unwrap();
        assert!(status.success(), "{name} failed in its own mount namespace");
    }
}
