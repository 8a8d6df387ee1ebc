//! From the path that a person names to the bytes of `messages.csv`, unpacked where they have to be.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;

use zip::ZipArchive;

use crate::linkedin_export::ImportError;

/// The most bytes that are read or unpacked: some two million messages. What is larger is not an export of messages.
pub(crate) const LARGEST: u64 = 1 << 30;

/// The name of the file with the messages.
const MESSAGES: &str = "messages.csv";
/// What a zip begins with.
const ZIP: &[u8] = b"PK";

/// Opens `messages.csv`: the file itself, the one in a folder, or the one in a zip, which is unpacked to a file without
/// a name that goes when it is closed.
pub(crate) fn open(path: &Path, largest: u64) -> Result<File, ImportError> {
    let failed = ImportError::read(path);
    if path.is_dir() {
        let names = std::fs::read_dir(path).map_err(failed)?;
        let within = names
            .filter_map(Result::ok)
            .find(|entry| entry.file_name().to_string_lossy().eq_ignore_ascii_case(MESSAGES));
        return open(&within.ok_or_else(|| no_messages(path))?.path(), largest);
    }
    let mut file = File::open(path).map_err(&failed)?;
    let mut begins = Vec::with_capacity(ZIP.len());
    Read::by_ref(&mut file).take(2).read_to_end(&mut begins).map_err(&failed)?;
    file.seek(SeekFrom::Start(0)).map_err(&failed)?;
    if begins == ZIP {
        return unpacked(path, file, largest);
    }
    if file.metadata().map_err(&failed)?.len() > largest { Err(too_large(path, largest)) } else { Ok(file) }
}

fn no_messages(path: &Path) -> ImportError {
    let help = "request a copy that includes messages, or pass the messages.csv itself";
    ImportError::refused(format!("{} contains no messages.csv", path.display()), help)
}

fn too_large(path: &Path, largest: u64) -> ImportError {
    let path = path.display();
    let what =
        format!("messages.csv in {path} is larger than {largest} bytes, too large for an export of messages");
    ImportError::refused(what, "pass the zip file from LinkedIn, or the messages.csv in it")
}

fn unpacked(path: &Path, zip: File, largest: u64) -> Result<File, ImportError> {
    let broken = |reason: String| {
        let help = "download it again, or unpack it and pass the messages.csv in it";
        ImportError::refused(format!("cannot unpack {}: {reason}", path.display()), help)
    };
    let failed = ImportError::read(path);
    let mut zip = ZipArchive::new(zip).map_err(|e| broken(e.to_string()))?;
    let number = messages_in(&zip).ok_or_else(|| no_messages(path))?;
    let mut entry = zip.by_index(number).map_err(|e| broken(e.to_string()))?;
    let mut file = tempfile::tempfile().map_err(&failed)?;
    // What a zip says of sizes is no promise: one byte more than allowed is enough to know.
    let copied = io::copy(&mut Read::by_ref(&mut entry).take(largest.saturating_add(1)), &mut file)
        .map_err(|e| broken(e.to_string()))?;
    if copied > largest {
        return Err(too_large(path, largest));
    }
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    Ok(file)
}

/// The entry with the messages: of several, the one least deep.
fn messages_in(zip: &ZipArchive<File>) -> Option<usize> {
    let depth = |number: usize| {
        let name = zip.name_for_index(number)?.ok()?;
        let mut parts = name.rsplit(['/', '\\']);
        let own = parts.next()?.eq_ignore_ascii_case(MESSAGES);
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

    fn text(mut file: File) -> String {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_messages_are_found_at_any_depth_and_in_any_case() {
        let folder = tempfile::tempdir().unwrap();
        let path = zipped(
            folder.path(),
            &[("Complete_Export/a/b/messages.csv", b"deep"), ("x/Messages.CSV", b"less"), ("a.csv", b"")],
        );
        assert_eq!(text(open(&path, LARGEST).unwrap()), "less");
        std::fs::write(folder.path().join("MESSAGES.csv"), "plain").unwrap();
        assert_eq!(text(open(folder.path(), LARGEST).unwrap()), "plain");
        assert_eq!(text(open(&folder.path().join("MESSAGES.csv"), LARGEST).unwrap()), "plain");
    }

    #[test]
    fn a_zip_that_unpacks_to_too_much_is_refused_whatever_it_says_of_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = zipped(folder.path(), &[("messages.csv", &vec![b'x'; 100_000])]);
        assert!(std::fs::metadata(&path).unwrap().len() < 1_000, "it is packed well");
        for largest in [99_999, 10] {
            assert!(open(&path, largest).unwrap_err().to_string().contains("too large"));
        }
        assert_eq!(text(open(&path, 100_000).unwrap()).len(), 100_000);
        // The same with sizes that lie: both records of the size say 10.
        let mut bytes = std::fs::read(&path).unwrap();
        let size = 100_000_u32.to_le_bytes();
        while let Some(at) = bytes.windows(4).position(|w| w == size) {
            bytes[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
        }
        std::fs::write(&path, bytes).unwrap();
        assert!(open(&path, 50_000).is_err());
    }

    #[test]
    fn a_file_that_is_no_export_is_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = zipped(folder.path(), &[("Connections.csv", b"x")]);
        assert!(open(&path, LARGEST).unwrap_err().to_string().contains("contains no messages.csv"));
        std::fs::write(&path, "PK and nothing else").unwrap();
        assert!(open(&path, LARGEST).unwrap_err().to_string().contains("cannot unpack"));
        assert!(matches!(open(&folder.path().join("none"), LARGEST), Err(ImportError::Read { .. })));
    }
}
