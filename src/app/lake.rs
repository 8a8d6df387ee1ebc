//! The lake of an archive: opened as configured, pushed to by one process at a time, compared.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::app::wiring;
use crate::config::{Config, Env};
use crate::core::Ms;
use crate::error::Failure;
use crate::lake::LakeError;
use crate::lake::objects::{ObjectAccess, Objects};
use crate::lake::push::{self, PushWatch, Pushed};
use crate::lake::verify::{self, LakeVerification};
use crate::store::{Reader, name_archive};

/// The lake that an archive is pushed to.
#[derive(Debug)]
pub(crate) struct Lake {
    archive: PathBuf,
    objects: Objects,
}

impl Lake {
    /// Opens the lake at a place, `DIR` or `s3://BUCKET/PREFIX`.
    pub(crate) fn open(config: &Config, env: &Env, place: &Path) -> Result<Self, Failure> {
        let access = ObjectAccess {
            env: env.cloud().collect(),
            region: config.lake.region.clone(),
            endpoint: config.lake.endpoint.clone(),
            network: wiring::network(config),
            patience: config.api.timeout,
        };
        let objects =
            Objects::open(place, &access).map_err(|error| failure(&place.display().to_string(), error))?;
        Ok(Self { archive: config.archive.path.clone(), objects })
    }

    /// Where it is, as a message names it.
    pub(crate) fn place(&self) -> String {
        self.objects.place()
    }

    /// Commits what has changed since the last push.
    pub(crate) fn push(&self, now: Ms, watch: &mut dyn PushWatch) -> Result<Pushed, Failure> {
        let _lock = self.lock()?;
        let reader = self.named()?;
        let snapshot = reader.snapshot().map_err(|error| wiring::read_failure(&self.archive, error))?;
        let pushed = push::is_first(&self.objects, &snapshot).and_then(|first| {
            if first {
                self.objects.check_create()?;
            }
            push::push(&self.objects, &snapshot, now, watch)
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

    /// Two pushes of one archive would take each other's files for what a crash has left.
    fn lock(&self) -> Result<File, Failure> {
        let mut path = self.archive.clone().into_os_string();
        path.push(".lake-lock");
        let path = PathBuf::from(path);
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(|error| Failure::file(&path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(self.failed(LakeError::Busy)),
            Err(TryLockError::Error(error)) => Err(Failure::file(&path, error)),
        }
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
            "restore that object, or push to another folder or prefix, which writes everything anew"
                .to_owned(),
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
