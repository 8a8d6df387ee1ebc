//! The lake of an archive: opened as configured, pushed to by one process at a time, compared.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::app::lake_note::{self, LakeNote};
use crate::app::wiring;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Env};
use crate::core::Ms;
use crate::core::lake::RowSizes;
use crate::error::Failure;
use crate::lake::LakeError;
use crate::lake::objects::{ObjectAccess, Objects};
use crate::lake::push::{self, PushWatch, Pushed};
use crate::lake::verify::{self, LakeVerification};
use crate::store::{Reader, name_archive};

/// Which archive goes to which lake, and how that is reached.
#[derive(Debug)]
pub(crate) struct LakeRoute {
    archive: PathBuf,
    place: PathBuf,
    /// Whether the status is about this lake.
    is_noted: bool,
    access: ObjectAccess,
}

impl LakeRoute {
    /// To a place, `DIR` or `s3://BUCKET/PREFIX`.
    pub(crate) fn new(config: &Config, env: &Env, place: &Path) -> Self {
        let access = ObjectAccess {
            env: env.cloud().collect(),
            region: config.lake.region.clone(),
            endpoint: config.lake.endpoint.clone(),
            network: wiring::network(config),
            patience: config.api.timeout,
        };
        let is_noted = config.lake.path.as_deref().is_none_or(|configured| configured == place);
        Self { archive: config.archive.path.clone(), place: place.to_owned(), is_noted, access }
    }

    /// Where the lake is, as a message names it.
    pub(crate) fn place(&self) -> String {
        self.place.display().to_string()
    }

    /// Opens the lake, which must be a thread of its own's to do.
    pub(crate) fn open(&self) -> Result<Lake, Failure> {
        let objects =
            Objects::open(&self.place, &self.access).map_err(|error| failure(&self.place(), error))?;
        Ok(Lake { archive: self.archive.clone(), objects })
    }

    /// Commits what has changed since the last push, and notes how that went.
    pub(crate) fn push(&self, now: Ms, watch: &mut dyn PushWatch) -> Result<Pushed, Failure> {
        let lock = self.lock()?;
        let pushed = self.open().and_then(|lake| lake.push(now, watch));
        if !self.is_noted {
            return pushed;
        }
        let place = self.place();
        let before = LakeNote::read(&self.archive).filter(|note| note.place == place);
        let mut note = before.unwrap_or_else(|| LakeNote::new(place));
        note.ended(now, pushed.as_ref().map(|pushed| pushed.change).map_err(ToString::to_string));
        note.write(&lock);
        pushed
    }

    /// Two pushes of one archive would take each other's files for what a crash has left.
    fn lock(&self) -> Result<File, Failure> {
        let failed = |error| Failure::file(&lake_note::path(&self.archive), error);
        let file = lake_note::open(&self.archive).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(failure(&self.place(), LakeError::Busy)),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// Ends a push when it is told to.
struct StoppablePush(Arc<AtomicBool>);

impl PushWatch for StoppablePush {
    fn row(&mut self) -> Result<(), LakeError> {
        if self.0.load(Ordering::Relaxed) { Err(LakeError::Stopped) } else { Ok(()) }
    }

    fn pause(&mut self, ms: u64) -> Result<(), LakeError> {
        for _ in 0..ms.div_ceil(50) {
            self.row()?;
            std::thread::sleep(Duration::from_millis(50));
        }
        self.row()
    }
}

/// Pushes after runs, on a thread of its own, while the service goes on. Dropped, it stops what is under way.
#[derive(Debug, Default)]
pub(crate) struct LakePusher {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LakePusher {
    /// Begins to push what a run has brought, if a lake is configured. While a push is under way, what a run brings is
    /// left for the one after the next.
    pub(crate) fn after_run(&mut self, config: &Config, env: &Env) {
        let Some(place) = config.lake.path.as_deref().filter(|_| config.lake.after_run) else { return };
        if self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            tracing::debug!("a push to the lake is still under way");
            return;
        }
        let route = LakeRoute::new(config, env, place);
        let stop = Arc::clone(&self.stop);
        let push = move || tell(&route, &mut StoppablePush(stop));
        match std::thread::Builder::new().name("lake".to_owned()).spawn(push) {
            Ok(thread) => self.thread = Some(thread),
            Err(error) => tracing::warn!("no push to the lake: cannot start a thread: {error}"),
        }
    }

    /// Waits until the push under way has ended.
    pub(crate) fn wait(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic there has been told of.
            drop(thread.join());
        }
    }

    /// Lets a push be stopped from another thread.
    pub(crate) fn stopper(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }
}

impl Drop for LakePusher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wait();
    }
}

/// Pushes, and logs how that went.
fn tell(route: &LakeRoute, watch: &mut dyn PushWatch) {
    let before = LakeNote::read(&route.archive);
    match route.push(SystemClock.now_ms(), watch) {
        Ok(pushed) if pushed.tables.is_empty() => tracing::debug!("nothing new for the lake"),
        Ok(pushed) => {
            let rows: u64 = pushed.tables.iter().map(|table| table.rows).sum();
            tracing::info!(rows, lake = %route.place(), "pushed to the lake");
        }
        // The same failure is told once, and stands in the status until it is over.
        Err(error) if before.and_then(|note| note.last_error) == Some(error.to_string()) => {
            tracing::debug!("the lake still fails: {error}");
        }
        Err(error) => tracing::warn!("{error}; {}", error.help()),
    }
}

/// The lake that an archive is pushed to.
#[derive(Debug)]
pub(crate) struct Lake {
    archive: PathBuf,
    objects: Objects,
}

impl Lake {
    /// Where it is, as a message names it.
    pub(crate) fn place(&self) -> String {
        self.objects.place()
    }

    fn push(&self, now: Ms, watch: &mut dyn PushWatch) -> Result<Pushed, Failure> {
        let reader = self.named()?;
        let snapshot = reader.snapshot().map_err(|error| wiring::read_failure(&self.archive, error))?;
        let pushed = push::is_first(&self.objects, &snapshot).and_then(|first| {
            if first {
                self.objects.check_create()?;
            }
            push::push(&self.objects, &snapshot, RowSizes::USUAL, now, watch)
        });
        pushed.map_err(|error| self.failed(error))
    }

    /// Compares lake and archive.
    pub(crate) fn verify(&self, now: Ms, watch: &mut dyn PushWatch) -> Result<LakeVerification, Failure> {
        let reader = self.reader()?;
        let snapshot = reader.snapshot().map_err(|error| wiring::read_failure(&self.archive, error))?;
        verify::verify(&self.objects, &snapshot, now, watch).map_err(|error| self.failed(error))
    }

    fn reader(&self) -> Result<Reader, Failure> {
        Reader::open(&self.archive).map_err(|error| wiring::read_failure(&self.archive, error))
    }

    /// The archive, which has a name from now on.
    fn named(&self) -> Result<Reader, Failure> {
        let reader = self.reader()?;
        let name = reader.snapshot().and_then(|snapshot| snapshot.identity());
        if name.map_err(|error| wiring::read_failure(&self.archive, error))?.is_none() {
            name_archive(&self.archive).map_err(|error| wiring::archive_failure(&self.archive, error))?;
        }
        Ok(reader)
    }

    fn failed(&self, error: LakeError) -> Failure {
        match error {
            LakeError::Store(error) => wiring::read_failure(&self.archive, error),
            error => failure(&self.place(), error),
        }
    }
}

/// What a failure of the lake at a place means for the program.
fn failure(place: &str, error: LakeError) -> Failure {
    let (message, help, busy) = match error {
        LakeError::Refused { message, help } => (message, help, false),
        LakeError::Busy => (
            format!("another process is pushing this archive to {place}"),
            "wait for it; the next push writes what it does not".to_owned(),
            true,
        ),
        LakeError::Stopped => (
            "interrupted".to_owned(),
            "push again: what was committed stays, and the next push goes on from there".to_owned(),
            false,
        ),
        LakeError::Broken { .. } => (
            format!("the lake {place} cannot be understood: {error}"),
            "restore that object, or remove this archive's file in the lake's folder _archiver and push, which writes \
             everything anew"
                .to_owned(),
            false,
        ),
        LakeError::Storage { ref source, .. } if is_denied(source.as_ref()) => (
            format!("cannot reach the lake {place}: {error}"),
            "push as the user whom the lake belongs to, or give both users access to it (a default ACL)".to_owned(),
            false,
        ),
        error => (
            format!("cannot reach the lake {place}: {error}"),
            "push again later: what was committed stays, and the next push goes on from there".to_owned(),
            false,
        ),
    };
    Failure::Lake { message, help, busy }
}

fn is_denied(source: &(dyn std::error::Error + 'static)) -> bool {
    source
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}
