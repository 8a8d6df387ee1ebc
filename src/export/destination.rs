//! Where exports go: files are made under other names and put in place when all are whole; what is not an export's own
//! is never replaced or removed. Folders are held open and no link in them is followed, so that whoever may write to
//! them cannot lead an export elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File};
use std::io::{BufReader, BufWriter, Read as _, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::state::{ExportState, folder_of, path as state_path};
use super::{Export, ExportError, Summary};
use crate::core::hash;

/// Bytes that are gathered before they are written.
const BUFFER: usize = 256 * 1024;

/// A folder that is held open, whatever its path comes to mean.
struct OpenFolder {
    fd: OwnedFd,
    path: PathBuf,
}

impl OpenFolder {
    /// Opens the folder that the user has named, through links.
    fn named(path: &Path) -> Result<Self, ExportError> {
        let fd = rustix::fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        Ok(Self { fd: fd.map_err(|e| ExportError::file(path)(e.into()))?, path: path.to_owned() })
    }

    /// Makes a folder in it, where there is none, and opens that.
    fn make(&self, name: &Path) -> Result<Self, ExportError> {
        match rustix::fs::mkdirat(&self.fd, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(ExportError::file(&self.path.join(name))(error.into())),
        }
        self.inner(name)?.ok_or_else(|| ExportError::file(&self.path.join(name))(Errno::NOENT.into()))
    }

    /// Opens a folder in it, if there is one.
    fn inner(&self, name: &Path) -> Result<Option<Self>, ExportError> {
        let path = self.path.join(name);
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { fd, path })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => Err(ExportError::refused(
                format!("{} is a symbolic link or a file, not a folder of the export", path.display()),
                "replace it with a folder, or choose another path",
            )),
            Err(error) => Err(ExportError::file(&path)(error.into())),
        }
    }

    /// The folder of a file whose name has `/` between its parts, and the last of these.
    fn folder_of<'a>(&self, name: &'a str, make: bool) -> Result<Option<(Self, &'a str)>, ExportError> {
        let fd = self.fd.try_clone().map_err(ExportError::file(&self.path))?;
        let mut folder = Self { fd, path: self.path.clone() };
        let (folders, file) = name.rsplit_once('/').unwrap_or(("", name));
        for part in Path::new(folders) {
            let inner = if make { Some(folder.make(part.as_ref())?) } else { folder.inner(part.as_ref())? };
            let Some(inner) = inner else { return Ok(None) };
            folder = inner;
        }
        Ok(Some((folder, file)))
    }

    fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Opens a file in it, which is its owner's alone.
    fn file(&self, name: &str, how: OFlags) -> Result<File, ExportError> {
        let how = how | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, how, Mode::RUSR | Mode::WUSR);
        Ok(fd.map_err(|e| ExportError::file(&self.path.join(name))(e.into()))?.into())
    }

    /// The hash of a regular file, if there is one.
    fn hash(&self, name: &str) -> Result<Option<u64>, ExportError> {
        let Some((folder, file)) = self.folder_of(name, false)? else { return Ok(None) };
        let Ok(file) = folder.file(file, OFlags::RDONLY | OFlags::NONBLOCK) else { return Ok(None) };
        let failed = ExportError::file(&self.path.join(name));
        let read = file.metadata().and_then(|meta| {
            let bytes = BufReader::new(file).bytes();
            meta.is_file().then(|| bytes.collect::<Result<Vec<u8>, _>>()).transpose()
        });
        Ok(read.map_err(failed)?.map(hash::fnv1a))
    }

    fn remove(&self, name: &str) -> Result<(), ExportError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(ExportError::file(&self.path.join(name))(error.into())),
        }
    }

    /// Removes a file, and the folders between that are empty then.
    fn remove_with_folders(&self, name: &str) -> Result<(), ExportError> {
        let Some((folder, file)) = self.folder_of(name, false)? else { return Ok(()) };
        folder.remove(file)?;
        let mut rest = name;
        while let Some((folders, _)) = rest.rsplit_once('/') {
            let Some((outer, own)) = self.folder_of(folders, false)? else { break };
            // One that holds something else stays, and so do those around it.
            if rustix::fs::unlinkat(&outer.fd, own, AtFlags::REMOVEDIR).is_err() {
                break;
            }
            rest = folders;
        }
        Ok(())
    }
}

/// The files of an export in the making, in a hidden folder inside the one that they go to. Dropped, they are gone.
struct Staging {
    folder: OpenFolder,
    around: OwnedFd,
    name: String,
    files: BTreeSet<String>,
}

impl Staging {
    fn begin(around: &OpenFolder) -> Result<Self, ExportError> {
        let name = format!(".archiver-export-{:08x}", fastrand::u32(..));
        let failed = ExportError::file(&around.path);
        rustix::fs::mkdirat(&around.fd, &name, Mode::RWXU).map_err(|e| failed(e.into()))?;
        let folder = around.make(Path::new(&name))?;
        let around = around.fd.try_clone().map_err(ExportError::file(&around.path))?;
        Ok(Self { folder, around, name, files: BTreeSet::new() })
    }

    fn create(&mut self, name: &str, how: OFlags) -> Result<File, ExportError> {
        self.files.insert(name.to_owned());
        self.folder.file(name, how | OFlags::CREATE)
    }

    /// Puts a file in place, once it is on the disk.
    fn put(&mut self, name: &str, to: &OpenFolder, as_name: &str) -> Result<(), ExportError> {
        let synced = self.folder.file(name, OFlags::RDONLY)?.sync_all();
        synced.map_err(ExportError::file(&self.folder.path.join(name)))?;
        rustix::fs::renameat(&self.folder.fd, name, &to.fd, as_name)
            .map_err(|e| ExportError::file(&to.path.join(as_name))(e.into()))?;
        self.files.remove(name);
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What is left of it is hidden, and can be removed by anybody.
        let _left = self.files.iter().filter(|file| self.folder.remove(file).is_err()).count();
        let _left = rustix::fs::unlinkat(&self.around, &self.name, AtFlags::REMOVEDIR).is_err();
    }
}

/// The place of an export: a folder of files, or one file and later parts of it beside it.
pub(super) struct Place {
    out: OpenFolder,
    staging: Staging,
    /// Goes after what is in them.
    _new: NewFolders,
    /// The files made now, relative to the folder, and what they are called meanwhile.
    made: BTreeMap<String, String>,
    /// The files that an earlier export made.
    older: BTreeSet<String>,
    /// What the files are that may be edited before the next export.
    hashes: BTreeMap<String, u64>,
    /// The files of the earlier export that were edited since, which stay as they are.
    edited: BTreeSet<String>,
    /// Its number: 0 is the first, whole one.
    pub(super) part: u32,
}

impl Place {
    /// Begins in the job's folder, which is made where it is not there, or beside its file.
    pub(super) fn begin(export: &Export<'_>) -> Result<Self, ExportError> {
        let out = &export.job.out;
        let in_folder = export.job.format.is_folder();
        if out.is_dir() != in_folder && out.exists() {
            let (what, other) = if in_folder {
                ("a file", "a folder, such as --out archive")
            } else {
                ("a folder", "a file, such as --out archive.jsonl")
            };
            let message = format!("{} is {what}", out.display());
            return Err(ExportError::refused(message, format!("pass {other}")));
        }
        let (new, folder) = match in_folder {
            true => (NewFolders::make(out)?, OpenFolder::named(out)?),
            false => (NewFolders(Vec::new()), OpenFolder::named(&folder_of(out))?),
        };
        let before = if in_folder { export.before.as_ref() } else { export.continues() };
        let older = export.before.iter().flat_map(|before| before.files.iter().cloned()).collect();
        let mut place = Self {
            staging: Staging::begin(&folder)?,
            out: folder,
            _new: new,
            made: BTreeMap::new(),
            hashes: BTreeMap::new(),
            edited: BTreeSet::new(),
            older,
            part: before.map_or(0, |before| before.part.saturating_add(1)),
        };
        // Whoever gave the folder away may have written other names into the state: none may lead out of it.
        let plain = |name: &str| name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if let Some(name) = place.older.iter().find(|n| !plain(n) || !in_folder && n.contains('/')) {
            let state = state_path(export.job);
            return Err(ExportError::refused(
                format!("{} was not written by an export: it names {name:?}", state.display()),
                "choose another path, or remove it if you do not need it",
            ));
        }
        place.older.iter().try_for_each(|name| place.out.folder_of(name, false).map(|_| ()))?;
        let hashes = export.before.iter().flat_map(|before| &before.hashes).filter(|_| !export.job.force);
        for (name, hash) in hashes {
            if place.out.hash(name)?.is_some_and(|now| now != *hash) {
                place.edited.insert(name.clone());
                place.hashes.insert(name.clone(), *hash);
            }
        }
        Ok(place)
    }

    /// Begins one of the files: its path has `/` between its parts. One that is there and was not written by an export
    /// is refused.
    pub(super) fn create(&mut self, name: &str) -> Result<BufWriter<File>, ExportError> {
        if let Some((folder, file)) = self.out.folder_of(name, false)?
            && folder.has(file)
            && !self.older.contains(name)
        {
            return Err(ExportError::refused(
                format!("{} exists and was not written by an export", self.out.path.join(name).display()),
                "choose another path; an export replaces only what an export wrote",
            ));
        }
        let staged = self.made.len().to_string();
        let file = self.staging.create(&staged, OFlags::WRONLY | OFlags::EXCL)?;
        self.made.insert(name.to_owned(), staged);
        Ok(BufWriter::with_capacity(BUFFER, file))
    }

    /// Writes a whole file.
    pub(super) fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let mut file = self.create(name)?;
        let written = file.write_all(bytes).and_then(|()| file.flush());
        written.map_err(ExportError::file(&self.out.path.join(name)))
    }

    /// Writes a whole file that people may edit, unless they have.
    pub(super) fn editable_file(&mut self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        if self.edited.contains(name) {
            return Ok(());
        }
        self.hashes.insert(name.to_owned(), hash::fnv1a(bytes.iter().copied()));
        self.file(name, bytes)
    }

    /// Adds to a file that is needed only meanwhile.
    pub(super) fn note(&mut self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let mut file = self.staging.create(name, OFlags::WRONLY | OFlags::APPEND)?;
        file.write_all(bytes).map_err(ExportError::file(&self.staging.folder.path.join(name)))
    }

    /// What was noted, which is forgotten.
    pub(super) fn noted(&mut self, name: &str) -> Result<Vec<u8>, ExportError> {
        let mut bytes = Vec::new();
        let read = self.staging.folder.file(name, OFlags::RDONLY)?.read_to_end(&mut bytes);
        read.map_err(ExportError::file(&self.staging.folder.path.join(name)))?;
        self.staging.folder.remove(name)?;
        self.staging.files.remove(name);
        Ok(bytes)
    }

    /// Where the one file of this export goes.
    pub(super) fn one_file(&self, export: &Export<'_>) -> PathBuf {
        let out = &export.job.out;
        let name = out.file_name().unwrap_or_default().to_string_lossy();
        if self.part == 0 { out.clone() } else { out.with_file_name(part_name(&name, self.part)) }
    }

    /// Puts all files in place, removes those of an earlier export that are neither made anew nor `kept`, and leaves
    /// the state.
    pub(super) fn finish(
        mut self,
        export: &Export<'_>,
        kept: impl Fn(&str) -> bool,
        messages: u64,
    ) -> Result<Summary, ExportError> {
        let stays =
            |name: &&String| !self.made.contains_key(*name) && (kept(name) || self.edited.contains(*name));
        let kept: BTreeSet<String> = self.older.iter().filter(stays).cloned().collect();
        let files: Vec<String> = self.made.keys().chain(&kept).cloned().collect();
        let done = ExportState { hashes: self.hashes.clone(), ..export.state(files, self.part)? };
        // First it is known whose the files are, then they are there. Until all are, no run counts as exported, unless
        // the last one stands as it was: then nothing is left out whenever this is cut short.
        let claimed = self.older.iter().chain(self.made.keys()).cloned().collect::<BTreeSet<_>>();
        let base = match export.continues().filter(|_| !export.job.format.is_folder()) {
            Some(before) => before.clone(),
            None => ExportState { change: None, faces: BTreeMap::new(), ..done.clone() },
        };
        self.leave(export, &ExportState { files: claimed.into_iter().collect(), ..base })?;
        for (name, staged) in &self.made {
            if let Some((folder, file)) = self.out.folder_of(name, true)? {
                self.staging.put(staged, &folder, file)?;
            }
        }
        for old in self.older.iter().filter(|old| !self.made.contains_key(*old) && !kept.contains(*old)) {
            self.out.remove_with_folders(old)?;
        }
        self.leave(export, &done)?;
        let out = if export.job.format.is_folder() { export.job.out.clone() } else { self.one_file(export) };
        let left_alone = self.edited.iter().map(|name| export.job.out.join(name)).collect();
        Ok(Summary { left_alone, ..Summary::of(messages, self.made.len(), out) })
    }

    fn leave(&mut self, export: &Export<'_>, state: &ExportState) -> Result<(), ExportError> {
        let path = state_path(export.job);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut file = self.staging.create("state", OFlags::WRONLY | OFlags::EXCL)?;
        file.write_all(&state.json()?).map_err(ExportError::file(&path))?;
        self.staging.put("state", &self.out, &name)
    }
}

/// `archive.jsonl` → `archive.0001.jsonl`.
fn part_name(name: &str, part: u32) -> String {
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => format!("{stem}.{part:04}.{ending}"),
        _ => format!("{name}.{part:04}"),
    }
}

/// Folders that were not there before, the innermost first. Dropped, those that are still empty are gone again.
struct NewFolders(Vec<PathBuf>);

impl NewFolders {
    fn make(path: &Path) -> Result<Self, ExportError> {
        let new = path.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(ExportError::file(path))?;
        Ok(Self(new))
    }
}

impl Drop for NewFolders {
    fn drop(&mut self) {
        // One with something in it is no longer ours to remove, and neither are those around it.
        let _full = self.0.iter().find(|folder| fs::remove_dir(folder).is_err());
    }
}
