//! One writer at a time: the lock beside an archive and on the archive itself, who holds it, and what it remembers.

use std::cell::RefCell;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::store::schema::file::{beside, canonical, open_private, open_regular};
use crate::store::{Result, StoreError};

/// What follows the process id of the service in the lock's file.
const SERVICE: &str = " service";

/// Who may read an archive's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileReaders {
    /// Their owner alone.
    #[default]
    Owner,
    /// Their group, too.
    Group,
}

/// The exclusive lock of an archive, held until this is dropped.
///
/// It has a file beside the archive, whose first line names the holder and whose second line is kept for the next one.
/// That file can be deleted, and one archive can have several names, so on Linux the archive itself is locked as well.
/// There, such locks do not meet with SQLite's.
#[derive(Debug)]
pub(crate) struct Lock {
    beside: File,
    /// The archive's own file, and before it the one that it replaces.
    archives: Vec<File>,
    /// The two lines.
    lines: RefCell<(String, String)>,
    readers: FileReaders,
}

impl Lock {
    /// Takes the lock beside an archive, which need not be there yet.
    pub(crate) fn take(archive: &Path) -> Result<Self> {
        Self::take_for(archive, FileReaders::Owner)
    }

    /// The same for an archive that others may read.
    pub(crate) fn take_for(archive: &Path, readers: FileReaders) -> Result<Self> {
        let path = canonical(archive).map_err(StoreError::create(archive))?;
        let path = beside(&path, ".lock");
        let failed = StoreError::create(&path);
        let file = open_private(&path).map_err(&failed)?;
        exclusively(&file, archive)?.map_err(&failed)?;
        readers.admit(&file).map_err(&failed)?;
        let memory = lines_of(&file).map_err(&failed)?.1;
        let lines = RefCell::new((String::new(), memory));
        let lock = Self { beside: file, archives: Vec::new(), lines, readers };
        lock.sign("").map_err(failed)?;
        Ok(lock)
    }

    /// Takes the lock on the archive's own file too, which is to be opened before SQLite opens it: when a process closes a
    /// file, the locks that SQLite has on it are gone.
    pub(crate) fn hold(&mut self, archive: &Path, file: File) -> Result<()> {
        self.readers.admit_to_all(archive, &file).map_err(StoreError::create(archive))?;
        if cfg!(target_os = "linux")
            && let Err(error) = exclusively(&file, archive)?
        {
            tracing::debug!(%error, "the archive itself cannot be locked; the lock beside it holds");
        }
        self.archives.push(file);
        Ok(())
    }

    /// The archive's own file.
    pub(crate) fn archive(&self) -> Option<&File> {
        self.archives.last()
    }

    /// Writes down who holds it, for those who find it taken.
    fn sign(&self, role: &str) -> io::Result<()> {
        self.lines.borrow_mut().0 = format!("{}{role}", std::process::id());
        self.write()
    }

    /// Writes down that this process is the service.
    pub(crate) fn sign_as_service(&self) -> io::Result<()> {
        self.sign(SERVICE)
    }

    /// What the last holder kept; empty: nothing.
    pub(crate) fn memory(&self) -> String {
        self.lines.borrow().1.clone()
    }

    /// Keeps a line for the next holder. It guards against a rare mistake, so that nothing fails without it.
    pub(crate) fn remember_if_possible(&self, memory: &str) {
        memory.clone_into(&mut self.lines.borrow_mut().1);
        if let Err(error) = self.write() {
            tracing::debug!(%error, "what is spent cannot be kept beside the archive");
        }
    }

    fn write(&self) -> io::Result<()> {
        let lines = self.lines.borrow();
        let text = match &*lines {
            (holder, memory) if memory.is_empty() && holder.is_empty() => String::new(),
            (holder, memory) if memory.is_empty() => format!("{holder}\n"),
            (holder, memory) => format!("{holder}\n{memory}\n"),
        };
        self.beside.write_all_at(text.as_bytes(), 0)?;
        self.beside.set_len(u64::try_from(text.len()).unwrap_or_default())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Nobody is to signal a process that is no more.
        self.lines.borrow_mut().0.clear();
        if let Err(error) = self.write() {
            tracing::debug!(%error, "the archive's lock keeps the name of its last holder");
        }
        // Closing the files would do, but for a process that is being started just now by another thread: until it
        // has become another program, it has the files open too.
        for file in std::iter::once(&self.beside).chain(&self.archives) {
            if let Err(error) = file.unlock() {
                tracing::debug!(%error, "the archive's lock ends with its file only");
            }
        }
    }
}

impl FileReaders {
    /// Lets them read a file.
    fn admit(self, file: &File) -> io::Result<()> {
        let mut permissions = file.metadata()?.permissions();
        if self == Self::Owner || permissions.mode() & 0o040 != 0 {
            return Ok(());
        }
        permissions.set_mode(permissions.mode() | 0o040);
        file.set_permissions(permissions)
    }

    /// Lets them read an archive and what SQLite has left beside it. What it makes there has the archive's mode.
    fn admit_to_all(self, archive: &Path, file: &File) -> io::Result<()> {
        if self == Self::Owner {
            return Ok(());
        }
        self.admit(file)?;
        let real = canonical(archive)?;
        ["-wal", "-shm"].iter().try_for_each(|ending| match open_to_read(&beside(&real, ending)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            file => self.admit(&file?),
        })
    }
}

/// Locks a file. Whoever asks for the holder's name touches the lock for a moment.
fn exclusively(file: &File, archive: &Path) -> Result<io::Result<()>> {
    for _ in 0..5 {
        match file.try_lock() {
            Ok(()) => return Ok(Ok(())),
            Err(TryLockError::Error(error)) => return Ok(Err(error)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    Err(StoreError::Busy(archive.to_owned()))
}

/// The two lines of the lock's file.
fn lines_of(file: &File) -> io::Result<(String, String)> {
    // What is longer was not written by this program.
    let mut text = String::new();
    file.take(64 * 1024).read_to_string(&mut text)?;
    let mut lines = text.lines().map(str::to_owned);
    Ok((lines.next().unwrap_or_default(), lines.next().unwrap_or_default()))
}

/// What the last holder of an archive's lock kept for the next one, without taking it; empty: nothing.
pub(crate) fn memory_of(archive: &Path) -> String {
    let lines = lock_file(archive).and_then(|lock| open_to_read(&lock)).and_then(|file| lines_of(&file));
    lines.map(|(_, memory)| memory).unwrap_or_default()
}

fn open_to_read(lock: &Path) -> io::Result<File> {
    open_regular(lock, OpenOptions::new().read(true))
}

fn lock_file(archive: &Path) -> io::Result<PathBuf> {
    Ok(beside(&canonical(archive)?, ".lock"))
}

/// Who holds the lock beside an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// A process that makes one run, or writes to the archive otherwise.
    Other,
    /// The service: its process id.
    Service(i32),
}

/// Who holds the lock beside this archive just now.
///
/// # Errors
/// When the lock's file cannot be read.
pub fn holder(archive: &Path) -> io::Result<Holder> {
    let opened = lock_file(archive).and_then(|lock| Ok((open_to_read(&lock)?, lock)));
    let (file, lock) = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(error) => return Err(error),
    };
    // What the file says counts only as long as somebody holds the lock.
    match file.try_lock_shared() {
        Ok(()) => {
            file.unlock()?;
            return Ok(Holder::Nobody);
        }
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let (named, _) = lines_of(&file)?;
    let pid = named.strip_suffix(SERVICE).and_then(|pid| pid.parse().ok());
    Ok(pid.filter(|pid| has_open(*pid, &lock)).map_or(Holder::Other, Holder::Service))
}

/// Whether a process has the lock's file open, where the system tells: a process id that was left by a crash may be
/// another program's by now.
fn has_open(pid: i32, lock: &Path) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return !Path::new("/proc/self/fd").exists();
    };
    files.flatten().any(|file| std::fs::read_link(file.path()).is_ok_and(|open| open == lock))
}
