//! Names that would meet on a disk that does not tell cases or compositions apart are moved out of each other's way.
//! In: all paths of one torrent, in order. Out: the same, with `.1`, `.2`… before the extension where needed.
//! Works in time and memory proportional to the paths, so there is no number of collisions that is too many.

use std::collections::{HashMap, hash_map::Entry};

use unicode_normalization::UnicodeNormalization as _;

use super::{SafePath, shorten};

/// Longest name with a number in it.
const LIMIT: usize = 255;
const ROOT: u32 = 0;

/// The names that one torrent uses, as a tree.
///
/// Folders are entered first: a file gives way to a folder. Then come the files that have the exact name that the torrent
/// gives them, so that no other file gets a name that is the exact one of theirs; then the rest.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// From folder and lower-case name to what bears that name.
    taken: HashMap<(u32, Box<str>), Taken>,
    folders: u32,
}

#[derive(Debug)]
struct Taken {
    /// The number of the folder, unless it is a file.
    folder: Option<u32>,
    /// The next number to try for a file that wants the same name.
    next: u32,
}

impl Names {
    /// Enters the folders on the way to `path`.
    pub(crate) fn add_folders(&mut self, path: &SafePath) {
        self.folder_of(path);
    }

    /// Enters the file `path` if its name is free; whether it was.
    pub(crate) fn claim(&mut self, path: &SafePath) -> bool {
        let folder = self.folder_of(path);
        match self.taken.entry((folder, key(path.file_name()))) {
            Entry::Vacant(entry) => {
                entry.insert(Taken { folder: None, next: 1 });
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// Enters the file `path`; the answer is the path that it has to take instead, if any.
    pub(crate) fn add_file(&mut self, path: &SafePath) -> Option<SafePath> {
        let folder = self.folder_of(path);
        let name = path.file_name();
        let mut number = match self.taken.entry((folder, key(name))) {
            Entry::Vacant(entry) => {
                entry.insert(Taken { folder: None, next: 1 });
                return None;
            }
            Entry::Occupied(entry) => entry.get().next,
        };
        loop {
            let candidate = numbered(name, number);
            number = number.saturating_add(1);
            if let Entry::Vacant(entry) = self.taken.entry((folder, key(&candidate))) {
                entry.insert(Taken { folder: None, next: 1 });
                if let Some(taken) = self.taken.get_mut(&(folder, key(name))) {
                    taken.next = number;
                }
                let parents = path.as_str().rsplit_once('/').map(|(parents, _)| parents);
                return Some(SafePath::from_safe(parents.into_iter().chain([&*candidate])));
            }
        }
    }

    fn folder_of(&mut self, path: &SafePath) -> u32 {
        let mut folder = ROOT;
        let parents = path.as_str().rsplit_once('/').map(|(parents, _)| parents);
        for element in parents.into_iter().flat_map(|parents| parents.split('/')) {
            let taken = self.taken.entry((folder, key(element))).or_insert(Taken { folder: None, next: 1 });
            folder = *taken.folder.get_or_insert_with(|| {
                self.folders = self.folders.saturating_add(1);
                self.folders
            });
        }
        folder
    }
}

/// Equal for names that some file system takes for one: those that differ in case, or in how their accents are composed.
fn key(name: &str) -> Box<str> {
    if name.is_ascii() {
        return name.to_ascii_lowercase().into();
    }
    // By way of capitals, so that all forms of a letter meet: `ſ` and `s`, `ß` and `ss`.
    name.nfkc().collect::<String>().to_uppercase().to_lowercase().nfc().collect::<String>().into()
}

/// `name.ext` with a number: `name.1.ext`. The number always fits.
fn numbered(name: &str, number: u32) -> String {
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at_checked(dot).unwrap_or((name, "")),
        _ => (name, ""),
    };
    let suffix = format!(".{number}{extension}");
    let room = LIMIT.saturating_sub(suffix.len());
    let mut end = stem.len().min(room);
    while !stem.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    match stem.get(..end) {
        Some(stem) if !stem.is_empty() => format!("{stem}{suffix}"),
        // The extension takes all the room: number the whole name instead.
        _ => format!("{}.{number}", shorten(name, 200)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(paths: &[&str]) -> Vec<String> {
        let paths: Vec<_> = paths.iter().map(|path| SafePath::sanitize(path.split('/')).unwrap()).collect();
        let mut names = Names::default();
        paths.iter().for_each(|path| names.add_folders(path));
        let claimed: Vec<_> = paths.iter().map(|path| names.claim(path)).collect();
        let resolve = |(path, claimed): (&SafePath, bool)| match claimed {
            true => path.clone(),
            false => names.add_file(path).unwrap_or_else(|| path.clone()),
        };
        paths.iter().zip(claimed).map(resolve).map(|path| path.as_str().to_owned()).collect()
    }

    #[test]
    fn names_differ_in_more_than_case() {
        assert_eq!(resolve(&["t/a.txt", "t/A.TXT", "t/a.Txt"]), ["t/a.txt", "t/A.1.TXT", "t/a.2.Txt"]);
        assert_eq!(resolve(&["É", "é"]), ["É", "é.1"]);
        assert_eq!(resolve(&["Dir/x", "dir/X"]), ["Dir/x", "dir/X.1"]);
        assert_eq!(resolve(&["e\u{301}", "\u{e9}", "E\u{301}"]), ["e\u{301}", "\u{e9}.1", "E\u{301}.2"]);
        assert_eq!(resolve(&["\u{17f}", "S", "\u{212a}", "k"]), ["\u{17f}", "S.1", "\u{212a}", "k.1"]);
    }

    #[test]
    fn files_give_way_to_folders() {
        assert_eq!(resolve(&["t/a", "t/a/b"]), ["t/a.1", "t/a/b"]);
        assert_eq!(resolve(&["t/A/b", "t/a"]), ["t/A/b", "t/a.1"]);
    }

    #[test]
    fn a_number_may_be_taken_too() {
        assert_eq!(resolve(&["a", "a.1", "a", "a.1"]), ["a", "a.1", "a.2", "a.1.1"]);
        assert_eq!(resolve(&[".x", ".X"]), [".x", ".X.1"]);
        assert_eq!(resolve(&["a", "A", "A.1"]), ["a", "A.2", "A.1"], "that one has it by right");
    }

    #[test]
    fn a_hundred_thousand_equal_names_are_no_trouble() {
        let paths = vec!["t/same"; 100_000];
        let mut resolved = resolve(&paths);
        resolved.sort();
        resolved.dedup();
        assert_eq!(resolved.len(), 100_000);
    }
}
