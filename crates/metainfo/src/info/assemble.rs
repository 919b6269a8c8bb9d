//! From what a torrent claims about its files to files that can be used: offsets, safe paths, targets of symlinks.

use std::collections::HashMap;

use super::v1::Entry;
use crate::{
    ErrorKind, File, SafePath,
    path::{Names, sanitize_element},
};

/// The furthest that the end of a torrent may lie: far from where arithmetic on offsets could go wrong.
const MAX_TOTAL_LENGTH: u64 = 1 << 62;

pub(super) fn files(entries: Vec<Entry<'_>>, root: &str, is_folder: bool) -> Result<Vec<File>, ErrorKind> {
    let mut targets = Vec::new();
    let mut files = Vec::with_capacity(entries.len());
    let mut offset = 0_u64;
    for entry in entries {
        let folder = is_folder.then_some(root.as_bytes());
        let elements = || folder.into_iter().chain(entry.elements.iter().map(|element| &**element));
        let path = match (is_folder, &*entry.elements) {
            // Nothing is left of the name: it is called by its info hash.
            (false, [only]) if sanitize_element(only) == "_" => SafePath::from_name(root.as_bytes()),
            (true, []) => SafePath::from_safe([root, "_"]),
            _ => SafePath::sanitize(elements()).map_err(|_| ErrorKind::PathTooDeep)?,
        };
        let is_same = path.elements().map(str::as_bytes).eq(elements());
        let mut file = File {
            path,
            length: entry.length,
            offset,
            attributes: entry.attributes,
            pieces_root: entry.root,
            rare: None,
        };
        if !is_same {
            file.rare_mut().original = Some(own(&entry));
        }
        if let Some(sha1) = entry.sha1 {
            file.rare_mut().sha1 = Some(sha1);
        }
        if let Some(modified) = entry.modified {
            file.rare_mut().modified = Some(modified);
        }
        offset = offset.checked_add(entry.length).filter(|end| *end <= MAX_TOTAL_LENGTH).ok_or(ErrorKind::Length)?;
        if let Some(target) = &entry.symlink {
            // `.` and `..` are left out, as BEP 47 has no use for them.
            let target = target.iter().filter(|element| !matches!(&***element, b"." | b".."));
            let target = SafePath::sanitize(folder.into_iter().chain(target.map(|element| &**element)));
            targets.push((files.len(), target.map_err(|_| ErrorKind::PathTooDeep)?));
        }
        files.push(file);
    }
    // Targets are named by the paths of before.
    let before: Vec<_> =
        if targets.is_empty() { Vec::new() } else { files.iter().map(|file| file.path.clone()).collect() };
    separate(&mut files);
    link(&mut files, &before, targets);
    Ok(files)
}

fn own(entry: &Entry<'_>) -> Vec<Box<[u8]>> {
    entry.elements.iter().map(|element| (**element).into()).collect()
}

/// Symlinks may lead to files and folders of this torrent, and not by way of other symlinks; else they are empty files.
fn link(files: &mut [File], before: &[SafePath], targets: Vec<(usize, SafePath)>) {
    let mut places: HashMap<&str, SafePath> = HashMap::new();
    for (file, old) in files.iter().zip(before).filter(|(file, _)| !file.is_pad()) {
        places.entry(old.as_str()).or_insert_with(|| file.path.clone());
        // Folders that were seen before have had their parents seen before.
        let folders = std::iter::successors(old.as_str().rsplit_once('/'), |(folder, _)| folder.rsplit_once('/'));
        for (folder, _) in folders.take_while(|(folder, _)| !places.contains_key(folder)).collect::<Vec<_>>() {
            places.insert(folder, SafePath::from_safe([folder]));
        }
    }
    for (index, target) in targets {
        let Some(file) = files.get_mut(index) else { continue };
        match places.get(target.as_str()) {
            Some(place) if *place != file.path => file.rare_mut().symlink = Some(place.clone()),
            _ => file.attributes.symlink = false,
        }
    }
}

/// Moves files out of each other's way.
fn separate(files: &mut [File]) {
    let mut names = Names::default();
    files.iter().filter(|file| !file.is_pad()).for_each(|file| names.add_folders(&file.path));
    // Those with their exact name first: what has that name on disk is theirs, so no other may get it.
    let exact = files.iter().map(|file| !file.is_pad() && !file.is_renamed() && names.claim(&file.path));
    let exact: Vec<bool> = exact.collect();
    for (file, _) in files.iter_mut().zip(exact).filter(|(file, exact)| !file.is_pad() && !exact) {
        if let Some(path) = names.add_file(&file.path) {
            let skip = usize::from(file.path.elements().nth(1).is_some());
            if file.rare.as_ref().is_none_or(|rare| rare.original.is_none()) {
                let original = file.path.elements().skip(skip).map(|element| element.as_bytes().into()).collect();
                file.rare_mut().original = Some(original);
            }
            file.path = path;
        }
    }
}
