//! Bodies of the fuzz targets: what must hold for any bytes. Replayed over the committed corpora by `cargo test`.

/// .torrent files and `info` dictionaries.
pub mod metainfo {
    use crate::{Info, Metainfo};

    /// Reads without panic; what it reads can be edited without change, and its paths are safe.
    pub fn target(data: &[u8]) {
        if let Ok(info) = Info::from_bytes(data.to_vec()) {
            check(&info);
        }
        let Ok(torrent) = Metainfo::from_bytes(data.to_vec()) else { return };
        check(torrent.info());
        let edited = torrent.edit().comment("").creation_date(None).apply().expect("what was read can be written");
        assert_eq!(edited.info(), torrent.info());
        let mut magnet = torrent.magnet();
        magnet.trackers.retain(|url| !url.is_empty());
        assert_eq!(magnet.to_string().parse(), Ok(magnet));
        trackers(&torrent);
        let small = crate::Limits::default().max_values(50).max_bytes(1000);
        let _few = Metainfo::from_bytes_within(data.to_vec(), &small);
        for piece in torrent.info().geometry().pieces().take(100) {
            let _hash = torrent.piece_hash_v2(piece);
        }
    }

    /// What is removed is nowhere, what is left is as it was.
    fn trackers(torrent: &Metainfo) {
        let list = torrent.tracker_list();
        assert!(list.urls().all(|url| !url.is_empty()));
        let same = torrent.edit().tracker_list(&list).apply().expect("what was read can be written");
        assert_eq!(same.trackers(), torrent.trackers());
        let Some(first) = list.urls().next().map(str::to_owned) else { return };
        let mut fewer = list.clone();
        assert!(fewer.remove(&first) > 0);
        assert!(fewer.urls().all(|url| url != first));
        let edited = torrent.edit().tracker_list(&fewer).apply().expect("what was read can be written");
        assert!(edited.tracker_list().urls().all(|url| url != first));
        assert_eq!(edited.info_hashes(), torrent.info_hashes());
    }

    fn check(info: &Info) {
        let mut offset = 0;
        let mut seen = std::collections::HashSet::new();
        for file in info.files() {
            assert_eq!(file.offset(), offset);
            offset = file.end();
            super::path::check(file.path());
            file.symlink().into_iter().for_each(super::path::check);
            assert!(file.is_pad() || seen.insert(file.path().as_str().to_lowercase()), "{file:?}");
            let exact = info.exact_path(file).map(|path| path.to_string_lossy().into_owned());
            assert_ne!(exact.as_deref(), Some(file.path().as_str()), "{file:?}");
            let _text = (file.link_text(), file.original_path());
            if let Some(exact) = info.exact_path(file) {
                assert!(exact.components().all(|part| matches!(part, std::path::Component::Normal(_))), "{exact:?}");
            }
        }
        assert_eq!(offset, info.total_length());
        assert!(!info.has_v1() || info.piece_hashes().len() == info.piece_count() as usize);
        for piece in info.geometry().pieces().take(100) {
            let length: u64 = info.piece_slices(piece).map(|slice| slice.length).sum();
            assert_eq!(length, u64::from(info.geometry().length_of(piece)));
        }
    }
}

/// Magnet links.
pub mod magnet {
    use crate::Magnet;

    /// Reads without panic; printing and reading again gives the same.
    pub fn target(data: &[u8]) {
        let Ok(text) = std::str::from_utf8(data) else { return };
        let links = crate::magnet::links(text);
        assert!(links.iter().map(String::len).sum::<usize>() <= text.len());
        if let Ok(magnet) = text.parse::<Magnet>() {
            assert_eq!(magnet.to_string().parse(), Ok(magnet));
        }
    }
}

/// Names from strangers.
pub mod path {
    use std::path::Component;

    use crate::{
        SafePath,
        path::{MAX_DEPTH, MAX_ELEMENT_LENGTH, sanitize_element},
    };

    /// Elements, one per line: no path leaves its folder, and what is safe stays as it is.
    pub fn target(data: &[u8]) {
        let elements: Vec<_> = data.split(|byte| *byte == b'\n').collect();
        let text: Vec<_> = elements.iter().filter_map(|element| std::str::from_utf8(element).ok()).collect();
        let unportable = crate::path::unportable(text.iter().map(|element| [*element]));
        assert!(unportable.iter().all(|(number, _)| *number < text.len()));
        match SafePath::sanitize(&elements) {
            Ok(path) => {
                check(&path);
                assert_eq!(path.elements().count(), elements.len());
                let again = SafePath::sanitize(path.elements().map(str::as_bytes));
                assert_eq!(again, Ok(path));
            }
            Err(_) => assert!(elements.len() > MAX_DEPTH),
        }
    }

    pub(super) fn check(path: &SafePath) {
        let under = path.under("/folder");
        let inside = under.strip_prefix("/folder").expect("stays inside");
        assert!(inside.components().all(|component| matches!(component, Component::Normal(_))), "{path:?}");
        for element in path.elements() {
            assert!(!element.is_empty() && element.len() <= MAX_ELEMENT_LENGTH.max(255), "{path:?}");
            assert!(!element.contains(['/', '\\', '\0']), "{path:?}");
            let _safe = sanitize_element(element.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    fn replay(corpus: &str, target: fn(&[u8])) {
        let folder = format!("{}/../../fuzz/corpus/metainfo_{corpus}", env!("CARGO_MANIFEST_DIR"));
        let mut files = 0;
        for entry in fs::read_dir(&folder).expect(&folder) {
            target(&fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 10, "{folder} has only {files} files");
    }

    #[test]
    fn the_corpora_are_no_trouble() {
        replay("torrent", super::metainfo::target);
        replay("magnet", super::magnet::target);
        replay("path", super::path::target);
    }
}
