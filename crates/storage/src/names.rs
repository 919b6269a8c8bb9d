//! Where the files of a torrent lie on disk already. A file that another program has put there may have the exact name that
//! the torrent gives it, where we would use another: one that is safe everywhere. It may also have its accents composed in
//! another way, as systems differ in that.
//! In: a folder, and for each file the path that it would get and its exact one. Out: the path that it has, or would get.
//! Never: changes to the disk; following what is found.

use std::{
    collections::{HashMap, HashSet},
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    rc::Rc,
};

use unicode_normalization::UnicodeNormalization as _;

/// Folders that may be meant by one path, at most: exact, safe, and composed in another way, at each level.
const MAX_FOLDERS: usize = 8;

/// The names of one file, below a folder.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain pair")]
pub struct Names<'a> {
    /// Where it is put if it is not there yet.
    pub path: &'a Path,
    /// The exact path that the torrent gives it, where that is another one. It has as many elements, or else is a second place
    /// where the file may be.
    pub exact: Option<&'a Path>,
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The path below the folder.
    pub path: PathBuf,
    /// By which of its names it was found.
    pub spelling: Spelling,
}

/// By which of its names a file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Spelling {
    /// It is not there.
    Absent,
    /// The name of the torrent.
    Exact,
    /// The name that is safe everywhere.
    Safe,
    /// A name of the same look, with accents composed in another way.
    Composed,
}

/// Looks for files below `root`.
///
/// What has a file's exact name is that file. The name that is safe everywhere comes second, one that differs only in how its
/// accents are composed third. Names are looked for element by element; no two files get the same path.
#[must_use]
pub fn find(root: &Path, files: &[Names<'_>]) -> Vec<Place> {
    let is_plain = |file: &Names<'_>| file.exact.is_none() && file.path.as_os_str().is_ascii();
    if files.iter().all(is_plain) {
        // Nothing to choose from: whether it is there is for others to see.
        let place = |file: &Names<'_>| Place { path: file.path.to_owned(), spelling: Spelling::Exact };
        return files.iter().map(place).collect();
    }
    let mut finder = Finder {
        root,
        // Where case does not count, asking for one name may be answered with another file.
        by_listing: files.iter().any(|file| file.exact.is_some()),
        listings: HashMap::new(),
        folders: HashMap::new(),
        taken: HashSet::new(),
    };
    let mut places: Vec<Option<Place>> = vec![None; files.len()];
    for spelling in [Spelling::Exact, Spelling::Safe, Spelling::Composed] {
        for (file, place) in files.iter().zip(&mut places).filter(|(_, place)| place.is_none()) {
            *place = finder.look(*file, spelling).map(|path| Place { path, spelling });
        }
    }
    let planned: HashSet<&Path> = files.iter().map(|file| file.path).collect();
    let absent = files.iter().zip(places).map(|(file, place)| match place {
        Some(place) => place,
        None => finder.new_place(*file, &planned),
    });
    absent.collect()
}

struct Finder<'r> {
    root: &'r Path,
    by_listing: bool,
    listings: HashMap<PathBuf, Option<Rc<Listing>>>,
    /// By exact and safe path of a folder: the folders on disk that are meant, best first.
    folders: HashMap<(PathBuf, PathBuf), Rc<[Folder]>>,
    taken: HashSet<PathBuf>,
}

/// A folder on disk that may be the one that is meant.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Whether it has the name that the torrent gives it, and not the one that is safe everywhere: two folders of a torrent
    /// may share that one, so a name in it is not the exact name of a file.
    is_exact: bool,
}

/// What lies in a folder.
#[derive(Debug, Default)]
struct Listing {
    names: HashSet<OsString>,
    /// By composed form, the names that have another.
    by_form: HashMap<String, Vec<OsString>>,
}

impl Finder<'_> {
    /// The file under this spelling of its name, if it is there and no other file is taken for it. It is taken then.
    fn look(&mut self, file: Names<'_>, spelling: Spelling) -> Option<PathBuf> {
        let exact = match file.exact {
            Some(other) if other.iter().count() != file.path.iter().count() => {
                return self.look_in_both(file, spelling);
            }
            exact => exact.unwrap_or(file.path),
        };
        let folders = self.folders(exact.parent()?, file.path.parent()?);
        let (exact, safe) = (exact.file_name()?, file.path.file_name()?);
        for Folder { path: folder, .. } in folders.iter().filter(|folder| folder.is_exact || spelling == Spelling::Safe)
        {
            // In a folder that has the safe name, a file has its own, whether that is the exact one or not.
            let names = match spelling {
                Spelling::Safe => vec![safe.to_owned()],
                _ => self.spelled(folder, exact, safe, spelling),
            };
            for name in names {
                let path = folder.join(&name);
                if !self.taken.contains(&path) && self.is_there(folder, &name, Kind::File) {
                    self.taken.insert(path.clone());
                    return Some(path);
                }
            }
        }
        None
    }

    /// The same for a file that may be in two places: each has one name.
    fn look_in_both(&mut self, file: Names<'_>, spelling: Spelling) -> Option<PathBuf> {
        let second = Names { path: file.exact?, exact: None };
        self.look(Names { path: file.path, exact: None }, spelling).or_else(|| self.look(second, spelling))
    }

    /// Where a file goes that is not there: into the folder that is, if one is.
    fn new_place(&mut self, file: Names<'_>, planned: &HashSet<&Path>) -> Place {
        let path = self.new_path(file).unwrap_or_else(|| file.path.to_owned());
        let mut candidate = path.clone();
        let mut number = 0_u32;
        // Another file has the name that this one would get.
        while self.taken.contains(&candidate) || (number > 0 && planned.contains(&*candidate)) {
            number = number.saturating_add(1);
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(format!(".{number}"));
            candidate.set_file_name(name);
        }
        self.taken.insert(candidate.clone());
        let name = candidate.file_name().unwrap_or_default().to_owned();
        let is_there = number > 0 && self.is_there(candidate.parent().unwrap_or(Path::new("")), &name, Kind::File);
        Place { path: candidate, spelling: if is_there { Spelling::Safe } else { Spelling::Absent } }
    }

    fn new_path(&mut self, file: Names<'_>) -> Option<PathBuf> {
        let is_alike = |exact: &&Path| exact.iter().count() == file.path.iter().count();
        let exact = file.exact.filter(is_alike).unwrap_or(file.path);
        let (mut exact, mut safe) = (exact.parent()?, file.path.parent()?);
        loop {
            if let Some(folder) = self.folders(exact, safe).first() {
                return Some(folder.path.join(file.path.strip_prefix(safe).ok()?));
            }
            (exact, safe) = (exact.parent()?, safe.parent()?);
        }
    }

    /// The folders on disk that are meant by a path, best first.
    fn folders(&mut self, exact: &Path, safe: &Path) -> Rc<[Folder]> {
        if safe.as_os_str().is_empty() {
            return [Folder { path: PathBuf::new(), is_exact: true }].into();
        }
        let key = (exact.to_owned(), safe.to_owned());
        if let Some(known) = self.folders.get(&key) {
            return Rc::clone(known);
        }
        let empty = Path::new("");
        let above = self.folders(exact.parent().unwrap_or(empty), safe.parent().unwrap_or(empty));
        let (exact_name, safe_name) = (exact.file_name().unwrap_or_default(), safe.file_name().unwrap_or_default());
        let mut found: Vec<Folder> = Vec::new();
        for Folder { path: folder, is_exact } in above.iter() {
            for spelling in [Spelling::Exact, Spelling::Safe, Spelling::Composed] {
                for name in self.spelled(folder, exact_name, safe_name, spelling) {
                    let path = folder.join(&name);
                    let is_new = !found.iter().any(|known| known.path == path);
                    if found.len() < MAX_FOLDERS && is_new && self.is_there(folder, &name, Kind::Folder) {
                        found.push(Folder { path, is_exact: *is_exact && spelling != Spelling::Safe });
                    }
                }
            }
        }
        let found: Rc<[Folder]> = found.into();
        self.folders.insert(key, Rc::clone(&found));
        found
    }

    /// The names of this spelling.
    fn spelled(&mut self, folder: &Path, exact: &OsStr, safe: &OsStr, spelling: Spelling) -> Vec<OsString> {
        match spelling {
            Spelling::Exact => vec![exact.to_owned()],
            Spelling::Safe if safe != exact => vec![safe.to_owned()],
            Spelling::Composed => match exact.to_str().filter(|name| !name.is_ascii()) {
                Some(name) => {
                    let form: String = name.nfc().collect();
                    self.listing(folder).and_then(|listing| listing.by_form.get(&form).cloned()).unwrap_or_default()
                }
                None => Vec::new(),
            },
            Spelling::Safe | Spelling::Absent => Vec::new(),
        }
    }

    fn is_there(&mut self, folder: &Path, name: &OsStr, kind: Kind) -> bool {
        if self.by_listing && self.listing(folder).is_some_and(|listing| !listing.names.contains(name)) {
            return false;
        }
        let path = self.root.join(folder).join(name);
        match kind {
            Kind::Folder => fs::metadata(path).is_ok_and(|found| found.is_dir()),
            Kind::File => fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir()),
        }
    }

    /// `None` where the folder cannot be read.
    fn listing(&mut self, folder: &Path) -> Option<Rc<Listing>> {
        if let Some(known) = self.listings.get(folder) {
            return known.clone();
        }
        let read = fs::read_dir(self.root.join(folder)).ok();
        let listing = read.map(|entries| {
            let mut listing = Listing::default();
            for entry in entries.flatten() {
                let name = entry.file_name();
                if let Some(text) = name.to_str().filter(|text| !text.is_ascii()) {
                    let names = listing.by_form.entry(text.nfc().collect()).or_default();
                    names.push(name.clone());
                    // Folders are listed in no order.
                    names.sort_unstable();
                }
                listing.names.insert(name);
            }
            Rc::new(listing)
        });
        self.listings.insert(folder.to_owned(), listing.clone());
        listing
    }
}

#[derive(Clone, Copy)]
enum Kind {
    File,
    Folder,
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use tempfile::TempDir;

    use super::*;

    fn folder(paths: &[&[u8]]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for path in paths {
            let path = folder.path().join(OsStr::from_bytes(path));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        folder
    }

    /// Pairs of safe and exact path to where they are found.
    fn places(folder: &TempDir, files: &[(&str, &[u8])]) -> Vec<(Vec<u8>, Spelling)> {
        let names: Vec<_> = files
            .iter()
            .map(|(path, exact)| Names {
                path: Path::new(path),
                exact: Some(Path::new(OsStr::from_bytes(exact))).filter(|exact| *exact != Path::new(path)),
            })
            .collect();
        let found = find(folder.path(), &names).into_iter();
        found.map(|place| (place.path.as_os_str().as_bytes().to_vec(), place.spelling)).collect()
    }

    #[test]
    fn what_has_the_exact_name_is_the_file() {
        let disk = folder(&[b"t/b", b"t/\xe2\x80\x8bb", b"t/A", b"t/a", b"t/\xff", b"t/_"]);
        let files: [(&str, &[u8]); 5] =
            [("t/b", b"t/\xe2\x80\x8bb"), ("t/b.1", b"t/b"), ("t/A", b"t/A"), ("t/a.1", b"t/a"), ("t/_", b"t/\xff")];
        let expected = files.map(|(_, exact)| (exact.to_vec(), Spelling::Exact));
        assert_eq!(places(&disk, &files), expected);
    }

    #[test]
    fn the_safe_name_comes_second_and_belongs_to_one_file() {
        let disk = folder(&[b"t/b", b"t/a.1"]);
        let files: [(&str, &[u8]); 3] = [("t/b", b"t/\xe2\x80\x8bb"), ("t/b.1", b"t/b"), ("t/a.1", b"t/a")];
        let expected = [
            (b"t/b.2".to_vec(), Spelling::Absent),
            (b"t/b".to_vec(), Spelling::Exact),
            (b"t/a.1".to_vec(), Spelling::Safe),
        ];
        assert_eq!(places(&disk, &files), expected, "b is the other one's");
    }

    #[test]
    fn accents_may_be_composed_in_another_way() {
        let (nfc, nfd) = ("t\u{e9}/Fr\u{e9}d\u{e9}ric", "te\u{301}/Fre\u{301}de\u{301}ric");
        for (disk, torrent) in [(nfc, nfd), (nfd, nfc)] {
            let folder = folder(&[disk.as_bytes()]);
            let found = places(&folder, &[(torrent, torrent.as_bytes())]);
            assert_eq!(found, [(disk.as_bytes().to_vec(), Spelling::Composed)]);
        }
        let both = folder(&[nfc.as_bytes(), nfd.as_bytes()]);
        let found = places(&both, &[(nfd, nfd.as_bytes()), (nfc, nfc.as_bytes())]);
        assert!(found.iter().all(|(_, spelling)| *spelling == Spelling::Exact), "{found:?}");
    }

    #[test]
    fn what_is_not_there_goes_into_the_folder_that_is() {
        let disk = folder(&[b"caf\xc3\xa9/x", b"\xff/y"]);
        let files: [(&str, &[u8]); 4] = [
            ("cafe\u{301}/new", b"cafe\xcc\x81/new"),
            ("cafe\u{301}/new/deeper", b"cafe\xcc\x81/new/deeper"),
            ("_/z", b"\xff/z"),
            ("other/z", b"other/z"),
        ];
        let expected: [&[u8]; 4] = [b"caf\xc3\xa9/new", b"caf\xc3\xa9/new/deeper", b"\xff/z", b"other/z"];
        assert_eq!(places(&disk, &files), expected.map(|path| (path.to_vec(), Spelling::Absent)));
        assert_eq!(places(&folder(&[]), &files)[2].0, b"_/z");
    }

    #[test]
    fn a_second_place_is_looked_at() {
        let files: [(&str, &[u8]); 1] = [("x", b"t/x")];
        assert_eq!(places(&folder(&[b"t/x"]), &files), [(b"t/x".to_vec(), Spelling::Exact)]);
        assert_eq!(places(&folder(&[b"t/x", b"x"]), &files), [(b"x".to_vec(), Spelling::Exact)]);
        assert_eq!(places(&folder(&[b"t/y"]), &files), [(b"x".to_vec(), Spelling::Absent)]);
    }

    #[test]
    fn a_folder_is_no_file() {
        let disk = folder(&[b"t/a/b", b"t/\xff/x"]);
        let files: [(&str, &[u8]); 3] = [("t/a.1", b"t/a"), ("t/a/b", b"t/a/b"), ("t/_", b"t/\xff")];
        let expected = [
            (b"t/a.1".to_vec(), Spelling::Absent),
            (b"t/a/b".to_vec(), Spelling::Exact),
            (b"t/_".to_vec(), Spelling::Absent),
        ];
        assert_eq!(places(&disk, &files), expected);
    }
}
