//! Connections to the archive for the requests of others: few, closed to writes, bounded in time.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::core::Ms;
use crate::store::{Reader, Result};

/// Whether whoever waits for a request's answer has given up.
pub(crate) type GivenUp = Arc<AtomicBool>;

/// Connections that are kept open.
#[derive(Debug)]
pub(crate) struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Open>>,
    watch: Mutex<ChangeWatch>,
}

/// A connection. It is of one file, whatever is at the archive's path later.
#[derive(Debug)]
struct Open {
    reader: Reader,
    file: Option<(u64, u64)>,
    current: Arc<Mutex<GivenUp>>,
}

/// How often the archive has changed, as far as was seen, and a connection that only tells when others have written. The
/// number outlives the connection: what was remembered at it may be of another file.
#[derive(Debug, Default)]
struct ChangeWatch {
    changes: u64,
    /// With the number that it told last.
    open: Option<(Open, i64)>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), watch: Mutex::default() }
    }

    fn file(&self) -> Option<(u64, u64)> {
        fs::metadata(&self.path).ok().map(|found| (found.dev(), found.ino()))
    }

    /// Whether a connection still tells what is at the archive's path.
    fn is_current(&self, open: &Open) -> bool {
        open.file == self.file() && open.reader.is_current()
    }

    fn open(&self) -> Result<Open> {
        let current = Arc::<Mutex<GivenUp>>::default();
        let asked = Arc::clone(&current);
        let file = self.file();
        let reader = Reader::open_for_others(&self.path, move || locked(&asked).load(Ordering::Relaxed))?;
        Ok(Open { reader, file, current })
    }

    /// Does some reading in one consistent look at the archive.
    pub(crate) fn read<T, E: From<crate::store::StoreError>>(
        &self,
        given_up: &GivenUp,
        work: impl FnOnce(&Reader) -> Result<T, E>,
    ) -> Result<T, E> {
        let kept = locked(&self.idle).pop().filter(|open| self.is_current(open));
        let open = kept.map_or_else(|| self.open(), Ok)?;
        *locked(&open.current) = Arc::clone(given_up);
        let look = open.reader.snapshot()?;
        let done = work(&open.reader);
        drop(look);
        *locked(&open.current) = GivenUp::default();
        locked(&self.idle).push(open);
        done
    }

    /// A number that grows whenever the archive has changed.
    pub(crate) fn version(&self) -> Result<u64> {
        let mut watch = locked(&self.watch);
        let kept = watch.open.take().filter(|(open, _)| self.is_current(open));
        let (open, before) = match kept {
            Some((open, before)) => (open, Some(before)),
            None => (self.open()?, None),
        };
        let data_version = open.reader.queries().data_version()?;
        // What happened before a new connection, nobody saw.
        if before != Some(data_version) {
            watch.changes = watch.changes.saturating_add(1);
        }
        watch.open = Some((open, data_version));
        Ok(watch.changes)
    }
}

/// Something that takes long to gather, remembered until the archive has changed.
#[derive(Debug)]
pub(crate) struct Cached<T> {
    known: Mutex<Option<CachedValue<T>>>,
    /// Held by whoever gathers it.
    gathering: Mutex<()>,
}

#[derive(Debug)]
struct CachedValue<T> {
    version: u64,
    at_ms: Ms,
    value: Arc<T>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self { known: Mutex::default(), gathering: Mutex::default() }
    }
}

/// How old something remembered may be (ms).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freshness {
    /// While the archive has not changed.
    pub(crate) unchanged: Ms,
    /// In any case.
    pub(crate) changed: Ms,
}

impl<T> Cached<T> {
    /// What is remembered, or gathered now. While somebody else gathers it anew, the former will do.
    pub(crate) fn get<E>(
        &self,
        version: u64,
        now: Ms,
        fresh: Freshness,
        gather: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let find = |even_old: bool| {
            let known = locked(&self.known);
            let known = known.as_ref()?;
            let age = now.saturating_sub(known.at_ms);
            let most = if known.version == version { fresh.unchanged } else { fresh.changed };
            (even_old || (0..=most).contains(&age)).then(|| Arc::clone(&known.value))
        };
        if let Some(value) = find(false) {
            return Ok(value);
        }
        let _gathering = match self.gathering.try_lock() {
            Ok(guard) => guard,
            Err(_) => match find(true) {
                Some(value) => return Ok(value),
                None => locked(&self.gathering),
            },
        };
        if let Some(value) = find(false) {
            return Ok(value);
        }
        let value = Arc::new(gather()?);
        *locked(&self.known) = Some(CachedValue { version, at_ms: now, value: Arc::clone(&value) });
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use std::convert::Infallible;

    #[test]
    fn another_archive_has_another_number_even_after_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive.db");
        let put = || {
            drop(fs::remove_file(&path));
            Store::open(&path).unwrap().close().unwrap();
        };
        put();
        let pool = Pool::new(path.clone());
        let mut seen = vec![pool.version().unwrap()];
        assert_eq!(pool.version().unwrap(), seen[0]);
        put();
        seen.push(pool.version().unwrap());
        fs::remove_file(&path).unwrap();
        pool.version().unwrap_err();
        put();
        seen.push(pool.version().unwrap());
        assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    }

    #[test]
    fn what_is_remembered_is_gathered_again_when_the_archive_has_changed() {
        let (cached, mut gathered) = (Cached::default(), 0);
        let fresh = Freshness { unchanged: 1000, changed: 10 };
        let mut ask = |version, now| {
            let gather = || {
                gathered += 1;
                Ok::<_, Infallible>(gathered)
            };
            *cached.get(version, now, fresh, gather).unwrap()
        };
        assert_eq!(
            [ask(1, 0), ask(1, 1000), ask(2, 5), ask(2, 11), ask(2, 12), ask(2, 1012)],
            [1, 1, 1, 2, 2, 3]
        );
    }
}
