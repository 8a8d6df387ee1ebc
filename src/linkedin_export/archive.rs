//! From the path that a person names to the bytes of `messages.csv`, unpacked where they have to be.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use crate::linkedin_export::{ImportError, ImportLimit, ImportLimits};

/// The name of the file with the messages.
const MESSAGES: &str = "messages.csv";
/// The name of the file with the member's own name.
const PROFILE: &str = "profile.csv";
/// What a zip begins with.
const ZIP: &[u8] = b"PK";
/// Folders within folders that are looked into.
const DEEPEST: usize = 4;
/// What is unpacked before its ratio counts: short texts may repeat themselves.
const SMALL: u64 = 1 << 20;

/// The files of an export that are read.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) messages: File,
    /// Who the member is, where the export says so.
    pub(crate) profile: Option<File>,
}

/// Opens `messages.csv`: the file itself, the one in a folder, or the one in a zip, which is unpacked to a file without
/// a name that goes when it is closed. In a folder or a zip, of several the one least deep.
pub(crate) fn open(path: &Path, limits: &ImportLimits) -> Result<Opened, ImportError> {
    let failed = ImportError::read(path);
    if path.is_dir() {
        let messages = within(path, MESSAGES).ok_or_else(|| no_messages(path))?;
        let profile = within(path, PROFILE).and_then(|path| File::open(path).ok());
        return Ok(Opened { profile, ..open(&messages, limits)? });
    }
    // Without this flag, opening a pipe would wait for somebody to write to it.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(&failed)?;
    if !file.metadata().map_err(&failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    let mut begins = Vec::with_capacity(ZIP.len());
    Read::by_ref(&mut file).take(2).read_to_end(&mut begins).map_err(&failed)?;
    file.seek(SeekFrom::Start(0)).map_err(&failed)?;
    if begins == ZIP {
        return unpacked(path, file, limits);
    }
    match file.metadata().map_err(&failed)?.len() > limits.total {
        true => Err(limits.exceeded(path, ImportLimit::Total)),
        false => Ok(Opened { messages: file, profile: None }),
    }
}

/// The file of this name in a folder, or in folders within.
fn within(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    for _ in 0..DEEPEST {
        let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        let is_it = |path: &&PathBuf| {
            path.is_file()
                && path.file_name().is_some_and(|own| own.to_string_lossy().eq_ignore_ascii_case(name))
        };
        if let Some(found) = paths.iter().find(is_it) {
            return Some(found.clone());
        }
        folders = paths.into_iter().filter(|path| path.is_dir() && !path.is_symlink()).collect();
    }
    None
}

fn no_messages(path: &Path) -> ImportError {
    let help = "request a copy that includes messages, or pass the messages.csv itself";
    ImportError::refused(format!("{} contains no messages.csv", path.display()), help)
}

fn unpacked(path: &Path, zip: File, limits: &ImportLimits) -> Result<Opened, ImportError> {
    let broken = |reason: String| {
        let help = "download it again, or unpack it and pass the messages.csv in it";
        ImportError::refused(format!("cannot unpack {}: {reason}", path.display()), help)
    };
    let mut zip = ZipArchive::new(zip).map_err(|e| broken(e.to_string()))?;
    let (messages, profile) = (entry_in(&zip, MESSAGES), entry_in(&zip, PROFILE));
    let mut unpack = |number: usize| {
        let failed = ImportError::read(path);
        let entry = zip.by_index(number).map_err(|e| broken(e.to_string()))?;
        let (packed, mut file) = (entry.compressed_size().max(1), tempfile::tempfile().map_err(&failed)?);
        // What a zip says of sizes is no promise: one byte more than allowed is enough to know.
        let most = limits.total.min(packed.saturating_mul(limits.ratio).max(SMALL));
        let copied = io::copy(&mut entry.take(most.saturating_add(1)), &mut file);
        match copied.map_err(|e| broken(e.to_string()))? {
            copied if copied > limits.total => Err(limits.exceeded(path, ImportLimit::Total)),
            copied if copied > most => Err(limits.exceeded(path, ImportLimit::Ratio)),
            _ => {
                file.seek(SeekFrom::Start(0)).map_err(failed)?;
                Ok(file)
            }
        }
    };
    let messages = unpack(messages.ok_or_else(|| no_messages(path))?)?;
    Ok(Opened { messages, profile: profile.and_then(|number| unpack(number).ok()) })
}

/// The entry of this name: of several, the one least deep.
fn entry_in(zip: &ZipArchive<File>, wanted: &str) -> Option<usize> {
    let depth = |number: usize| {
        let name = zip.name_for_index(number)?.ok()?;
        let mut parts = name.rsplit(['/', '\\']);
        let own = parts.next()?.eq_ignore_ascii_case(wanted);
        own.then(|| parts.count())
    };
    (0..zip.len()).filter_map(|number| Some((depth(number)?, number))).min().map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::path::PathBuf;
    use zip::write::SimpleFileOptions;

    fn zipped(folder: &Path, entries: &[(&str, &[u8])]) -> PathBuf {
        let path = folder.join("export.zip");
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        for (name, bytes) in entries {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        path
    }

    fn text(opened: Result<Opened, ImportError>) -> String {
        let mut text = String::new();
        opened.unwrap().messages.read_to_string(&mut text).unwrap();
        text
    }

    fn within(total: u64) -> ImportLimits {
        ImportLimits { total, ..ImportLimits::DEFAULT }
    }

    #[test]
    fn the_messages_are_found_at_any_depth_and_in_any_case() {
        let folder = tempfile::tempdir().unwrap();
        let all = ImportLimits::DEFAULT;
        let path = zipped(
            folder.path(),
            &[("Complete_Export/a/b/messages.csv", b"deep"), ("x/Messages.CSV", b"less"), ("a.csv", b"")],
        );
        assert_eq!(text(open(&path, &all)), "less");
        std::fs::create_dir_all(folder.path().join("Basic_Export/a")).unwrap();
        std::fs::write(folder.path().join("Basic_Export/a/messages.csv"), "deep").unwrap();
        assert_eq!(text(open(folder.path(), &all)), "deep", "as in a zip");
        std::fs::write(folder.path().join("Basic_Export/Messages.csv"), "less").unwrap();
        assert_eq!(text(open(folder.path(), &all)), "less");
        std::fs::write(folder.path().join("MESSAGES.csv"), "plain").unwrap();
        assert_eq!(text(open(folder.path(), &all)), "plain");
        assert_eq!(text(open(&folder.path().join("MESSAGES.csv"), &all)), "plain");
    }

    #[test]
    fn a_zip_that_unpacks_to_too_much_is_refused_whatever_it_says_of_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = zipped(folder.path(), &[("messages.csv", &vec![b'x'; 100_000])]);
        assert!(std::fs::metadata(&path).unwrap().len() < 1_000, "it is packed well");
        for total in [99_999, 10] {
            let error = open(&path, &within(total)).unwrap_err().to_string();
            assert!(error.contains("in total"), "{error}");
        }
        assert_eq!(text(open(&path, &within(100_000))).len(), 100_000);
        // The same with sizes that lie: both records of the size say 10.
        let mut bytes = std::fs::read(&path).unwrap();
        let size = 100_000_u32.to_le_bytes();
        while let Some(at) = bytes.windows(4).position(|w| w == size) {
            bytes[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
        }
        std::fs::write(&path, bytes).unwrap();
        assert!(open(&path, &within(50_000)).is_err());
        let path = zipped(folder.path(), &[("messages.csv", &vec![b'x'; 5_000_000])]);
        let error = open(&path, &ImportLimits::DEFAULT).unwrap_err().to_string();
        assert!(error.contains("times as large unpacked"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_export_is_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = zipped(folder.path(), &[("Connections.csv", b"x")]);
        assert!(
            open(&path, &ImportLimits::DEFAULT).unwrap_err().to_string().contains("contains no messages.csv")
        );
        std::fs::write(&path, "PK and nothing else").unwrap();
        assert!(open(&path, &ImportLimits::DEFAULT).unwrap_err().to_string().contains("cannot unpack"));
        assert!(matches!(
            open(&folder.path().join("none"), &ImportLimits::DEFAULT),
            Err(ImportError::Read { .. })
        ));
    }
}
