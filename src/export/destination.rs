//! Where exports go: files are made under other names and put in place when all are whole; what is not an export's own
//! is never replaced or removed.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use crate::export::state::{ExportState, NOT_WHOLE, folder_of, path as state_path};
use crate::export::{Export, ExportError, Job, Summary};

/// Bytes that are gathered before they are written.
const BUFFER: usize = 256 * 1024;

/// A file in the making. Dropped, it is gone.
pub(super) struct OneFile {
    to: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl OneFile {
    /// Begins the file that is to be at this place.
    pub(super) fn begin(to: &Path) -> Result<Self, ExportError> {
        let folder = folder_of(to);
        let file = tempfile::Builder::new().prefix(".archiver-export-").tempfile_in(&folder);
        let file = file.map_err(ExportError::file(&folder))?;
        Ok(Self { to: to.to_owned(), file: BufWriter::with_capacity(BUFFER, file) })
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.file.write_all(bytes).map_err(ExportError::file(&self.to))
    }

    /// Puts the file in place, once it is on the disk.
    pub(super) fn finish(self) -> Result<(), ExportError> {
        let to = self.to;
        let file = self.file.into_inner().map_err(|e| ExportError::file(&to)(e.into_error()))?;
        file.as_file().sync_all().map_err(ExportError::file(&to))?;
        file.persist(&to).map_err(|e| ExportError::file(&to)(e.error))?;
        Ok(())
    }
}

impl Write for OneFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The place of an export that is one file, and later parts of it beside.
pub(super) struct FilePlace {
    /// The file to write now.
    pub(super) to: PathBuf,
    /// Its number: 0 is the first, whole one.
    pub(super) part: u32,
    /// What there is already, by name; without a new beginning it stays.
    older: Vec<String>,
}

impl FilePlace {
    /// Chooses the file. One that is there and was not written by an export is refused.
    pub(super) fn choose(export: &Export<'_>) -> Result<Self, ExportError> {
        let out = &export.job.out;
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let older = export.before.as_ref().map(|s| s.files.clone()).unwrap_or_default();
        let (to, part) = match export.continues() {
            None => (out.clone(), 0),
            Some(before) => {
                let part = before.part.saturating_add(1);
                (out.with_file_name(part_name(&name(out), part)), part)
            }
        };
        if to.is_dir() {
            let message = format!("{} is a folder", to.display());
            return Err(ExportError::refused(message, "pass a file, such as --out archive.jsonl"));
        }
        if to.symlink_metadata().is_ok() && !older.contains(&name(&to)) {
            return Err(foreign(&to));
        }
        Ok(Self { to, part, older })
    }

    /// Puts the file in place, leaves the state, and removes parts that a new beginning makes obsolete.
    pub(super) fn finish(
        self,
        export: &Export<'_>,
        file: OneFile,
        messages: u64,
    ) -> Result<Summary, ExportError> {
        let name = self.to.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut files = if self.part > 0 { self.older.clone() } else { Vec::new() };
        files.push(name);
        // First it is known whose the file is, then it is there; until it is, the last run stands as it was, so that
        // nothing is left out whenever this is cut short.
        let done = export.state(files.clone(), self.part)?;
        // A new beginning replaces what later parts would go on from: until it is done, none does.
        let before = export.before.clone().filter(|_| self.part > 0);
        let mut claim = before.unwrap_or_else(|| ExportState { run: NOT_WHOLE, ..done.clone() });
        claim.files = self.older.iter().chain(&files).cloned().collect::<BTreeSet<_>>().into_iter().collect();
        write_state(export.job, &claim)?;
        file.finish()?;
        for old in self.older.iter().filter(|old| !files.contains(old)) {
            remove(&self.to.with_file_name(old))?;
        }
        write_state(export.job, &done)?;
        Ok(Summary { messages, files: 1, out: self.to, unchanged: false })
    }
}

/// `archive.jsonl` → `archive.0001.jsonl`.
fn part_name(name: &str, part: u32) -> String {
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => format!("{stem}.{part:04}.{ending}"),
        _ => format!("{name}.{part:04}"),
    }
}

fn foreign(path: &Path) -> ExportError {
    ExportError::refused(
        format!("{} exists and was not written by an export", path.display()),
        "choose another path; an export replaces only what an export wrote",
    )
}

fn remove(path: &Path) -> Result<(), ExportError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ExportError::file(path)(error)),
        _ => Ok(()),
    }
}

fn write_state(job: &Job, state: &ExportState) -> Result<(), ExportError> {
    let mut file = OneFile::begin(&state_path(job))?;
    file.put(&state.json()?)?;
    file.finish()
}

/// A folder of files in the making, which is inside the one that they go to.
pub(super) struct Folder {
    out: PathBuf,
    staging: TempDir,
    /// Goes after what is in them.
    _new: NewFolders,
    /// The files made now, relative to the folder.
    made: BTreeSet<String>,
    /// The files that an earlier export made.
    older: BTreeSet<String>,
}

impl Folder {
    /// Begins in the job's folder, which is made where it is not there.
    pub(super) fn begin(export: &Export<'_>) -> Result<Self, ExportError> {
        let out = export.job.out.clone();
        if out.exists() && !out.is_dir() {
            let message = format!("{} is a file", out.display());
            return Err(ExportError::refused(message, "pass a folder, such as --out archive"));
        }
        let new = NewFolders::make(&out)?;
        let staging = tempfile::Builder::new()
            .prefix(".archiver-export-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&out)
            .map_err(ExportError::file(&out))?;
        let older: BTreeSet<String> =
            export.before.as_ref().map(|s| s.files.iter().cloned().collect()).unwrap_or_default();
        older.iter().try_for_each(|name| stays_inside(&out, name))?;
        Ok(Self { out, staging, _new: new, made: BTreeSet::new(), older })
    }

    /// A folder for what is needed only meanwhile.
    pub(super) fn scratch(&self) -> &Path {
        self.staging.path()
    }

    /// Begins one of the files: its path has `/` between its parts.
    pub(super) fn create(&mut self, name: &str) -> Result<BufWriter<File>, ExportError> {
        let to = self.out.join(name);
        stays_inside(&self.out, name)?;
        if to.symlink_metadata().is_ok() && !self.older.contains(name) {
            return Err(foreign(&to));
        }
        let path = self.staging.path().join("files").join(name);
        private_folder(&folder_of(&path))?;
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let file = file.map_err(ExportError::file(&path))?;
        self.made.insert(name.to_owned());
        Ok(BufWriter::with_capacity(64 * 1024, file))
    }

    /// Writes a whole file.
    pub(super) fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let mut file = self.create(name)?;
        file.write_all(bytes).and_then(|()| file.flush()).map_err(ExportError::file(&self.out.join(name)))
    }

    /// Puts all files in place, removes those of an earlier export that are neither made anew nor `kept`, and leaves
    /// the state.
    pub(super) fn finish(
        self,
        export: &Export<'_>,
        kept: impl Fn(&str) -> bool,
        messages: u64,
    ) -> Result<Summary, ExportError> {
        let kept: BTreeSet<&String> =
            self.older.iter().filter(|name| !self.made.contains(*name) && kept(name)).collect();
        let files: Vec<String> = self.made.iter().chain(kept.iter().copied()).cloned().collect();
        let part = export.before.as_ref().map_or(0, |s| s.part.saturating_add(1));
        let done = export.state(files, part)?;
        // Whose the files are is on record before the first is there. Until the last is, no run counts as exported.
        let claimed = self.older.union(&self.made).cloned().collect();
        write_state(
            export.job,
            &ExportState { run: NOT_WHOLE, files: claimed, faces: Default::default(), ..done.clone() },
        )?;
        for name in &self.made {
            let to = self.out.join(name);
            stays_inside(&self.out, name)?;
            private_folder(&folder_of(&to))?;
            let from = self.staging.path().join("files").join(name);
            File::open(&from).and_then(|file| file.sync_all()).map_err(ExportError::file(&from))?;
            fs::rename(&from, &to).map_err(ExportError::file(&to))?;
        }
        for old in self.older.iter().filter(|old| !self.made.contains(*old) && !kept.contains(old)) {
            stays_inside(&self.out, old)?;
            remove(&self.out.join(old))?;
            remove_empty_folders(&self.out, old);
        }
        write_state(export.job, &done)?;
        Ok(Summary { messages, files: self.made.len(), out: self.out, unchanged: false })
    }
}

/// None of the folders between the export's own and a file is a link, which would lead to somewhere else.
fn stays_inside(out: &Path, file: &str) -> Result<(), ExportError> {
    let between = Path::new(file).ancestors().skip(1).filter(|inner| !inner.as_os_str().is_empty());
    for folder in between.map(|inner| out.join(inner)) {
        if folder.symlink_metadata().is_ok_and(|m| m.is_symlink()) {
            return Err(ExportError::refused(
                format!("{} is a symbolic link, which may lead out of the export's folder", folder.display()),
                "replace it with a folder, or choose another path",
            ));
        }
    }
    Ok(())
}

/// Folders that were not there before, the innermost first. Dropped, those that are still empty are gone again.
struct NewFolders(Vec<PathBuf>);

impl NewFolders {
    fn make(path: &Path) -> Result<Self, ExportError> {
        let new = path.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
        private_folder(path)?;
        Ok(Self(new))
    }
}

impl Drop for NewFolders {
    fn drop(&mut self) {
        // One with something in it is no longer ours to remove, and neither are those around it.
        let _full = self.0.iter().find(|folder| fs::remove_dir(folder).is_err());
    }
}

/// Removes the folders of a removed file as far as they are empty.
fn remove_empty_folders(out: &Path, file: &str) {
    let mut folder = Path::new(file).parent();
    while let Some(inner) = folder.filter(|f| !f.as_os_str().is_empty()) {
        // One that holds something else stays, and so do those around it.
        if fs::remove_dir(out.join(inner)).is_err() {
            return;
        }
        folder = inner.parent();
    }
}

fn private_folder(path: &Path) -> Result<(), ExportError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(ExportError::file(path))
}
