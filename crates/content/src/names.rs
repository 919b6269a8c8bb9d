//! Where the files of a torrent are, by all the names that they may have on disk. One answer for all who ask: what `create` has
//! hashed is what `verify` checks and what a storage serves. In: an `info` dictionary. Out: a layout, or paths.

use std::path::{Path, PathBuf};

use torrent_metainfo::{File, Info};
use torrent_storage::{
    FileEntry, Layout, LayoutError,
    names::{self, Names},
};

/// The files of a torrent as a storage has them, with the exact names that the torrent gives them. Symlinks are no files.
///
/// # Errors
/// As [`Layout::new`]; not for what was read as a torrent.
pub fn layout(info: &Info) -> Result<Layout, LayoutError> {
    let files = info.files().iter().filter(|file| file.symlink().is_none());
    Layout::new(files.map(|file| match (file.is_pad(), info.exact_path(file)) {
        (true, _) => FileEntry::pad(file.length()),
        (false, None) => FileEntry::new(file.path().as_str(), file.length()),
        (false, Some(exact)) => FileEntry::new(file.path().as_str(), file.length()).exact(exact),
    }))
}

/// Where each file is below `folder`, or would be; `None` for padding.
pub(crate) fn below(info: &Info, folder: &Path) -> Vec<Option<PathBuf>> {
    let paths = |file: &File| (PathBuf::from(file.path().as_str()), info.exact_path(file));
    found(info, folder, paths)
}

/// The same where `place` is the torrent's own folder or file, whatever its name.
pub(crate) fn in_place(info: &Info, place: &Path) -> Vec<Option<PathBuf>> {
    if !info.is_folder() {
        if !place.is_dir() {
            return info.files().iter().map(|file| (!file.is_pad()).then(|| place.to_owned())).collect();
        }
        // Of v2, the file may lie in a folder after all.
        let last = |path: PathBuf| path.file_name().map(PathBuf::from);
        return found(info, place, |file| (file.path().as_str().into(), info.exact_path(file).and_then(last)));
    }
    let without_root = |path: &Path| path.iter().skip(1).collect::<PathBuf>();
    let paths = |file: &File| {
        let exact = info.exact_path(file).map(|exact| without_root(&exact));
        (without_root(Path::new(file.path().as_str())), exact)
    };
    found(info, place, paths)
}

fn found(info: &Info, folder: &Path, paths: impl Fn(&File) -> (PathBuf, Option<PathBuf>)) -> Vec<Option<PathBuf>> {
    let spelled: Vec<_> = info.files().iter().map(|file| (!file.is_pad()).then(|| paths(file))).collect();
    let names: Vec<_> = spelled
        .iter()
        .flatten()
        .map(|(path, exact)| Names { path, exact: exact.as_deref().filter(|exact| *exact != path) })
        .collect();
    let mut places = names::find(folder, &names).into_iter();
    spelled
        .iter()
        .map(|spelled| spelled.is_some().then(|| places.next().map(|place| folder.join(place.path))).flatten())
        .collect()
}
