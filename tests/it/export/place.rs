//! Where exports go: private, whole or not at all, and never over something else.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use archiver::export::{ExportError, Format, Job, Unwatched, Watch, run};
use archiver::store::{Configured, Reader};

use crate::bench::{Bench, NOW, item, last_page};
use crate::support::export::{FORMATS, export, files, job, odd_archive};

/// Ends the export after so many messages.
struct StopAfter(u32);

impl Watch for StopAfter {
    fn total(&mut self, _: u64) {}

    fn step(&mut self) -> Result<(), ExportError> {
        self.0 = self.0.checked_sub(1).ok_or(ExportError::Stopped)?;
        Ok(())
    }

    fn closing(&mut self, _: &'static str) {}
}

#[test]
fn outputs_are_their_owners_alone() {
    let bench = odd_archive();
    for &format in FORMATS {
        let folder = bench.dir.path().join(format!("private-{}", format.name()));
        let out = match format {
            Format::Jsonl | Format::Csv => {
                fs::create_dir(&folder).unwrap();
                folder.join("out")
            }
            Format::Html | Format::Parquet | Format::Markdown => folder.join("out"),
        };
        if out.parent() != Some(&folder) {
            fs::create_dir(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        export(&bench.path(), &job(format, &out)).unwrap();
        let mut paths = files(&folder);
        assert!(!paths.is_empty());
        paths.extend(fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()));
        for path in paths {
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            let expected = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode, expected, "{}", path.display());
        }
    }
}

#[test]
fn an_export_that_is_stopped_leaves_what_was_there() {
    let bench = odd_archive();
    for &format in FORMATS {
        let folder = bench.dir.path().join(format!("stopped-{}", format.name()));
        fs::create_dir(&folder).unwrap();
        let job = job(format, &folder.join("out"));
        let reader = Reader::open(&bench.path()).unwrap();
        let listed = || {
            let files = files(&folder);
            files.iter().map(|f| (f.clone(), fs::read(f).unwrap())).collect::<Vec<_>>()
        };
        let error = run(&reader, &job, &mut StopAfter(10)).unwrap_err();
        assert!(matches!(error, ExportError::Stopped), "{error}");
        assert_eq!(listed(), [], "{format:?}");
        run(&reader, &job, &mut Unwatched).unwrap();
        let before = listed();
        assert!(run(&reader, &job, &mut StopAfter(10)).is_err());
        assert!(listed() == before, "{format:?}");
    }
}

#[test]
fn what_somebody_else_put_there_is_neither_replaced_nor_removed() {
    let bench = odd_archive();
    for format in [Format::Jsonl, Format::Csv] {
        let out = bench.dir.path().join(format!("notes.{}", format.name()));
        fs::write(&out, "mine").unwrap();
        let error = export(&bench.path(), &job(format, &out)).unwrap_err();
        assert!(matches!(error, ExportError::Refused { .. }), "{error}");
        assert_eq!(fs::read_to_string(&out).unwrap(), "mine");
    }
    for (format, name) in [(Format::Html, "index.html"), (Format::Markdown, "README.md")] {
        let out = bench.dir.path().join(format!("notes-{}", format.name()));
        fs::create_dir(&out).unwrap();
        fs::write(out.join("letter.txt"), "mine").unwrap();
        export(&bench.path(), &job(format, &out)).unwrap();
        export(&bench.path(), &job(format, &out)).unwrap();
        assert_eq!(fs::read_to_string(out.join("letter.txt")).unwrap(), "mine");
        let other = bench.dir.path().join(format!("other-{}", format.name()));
        fs::create_dir(&other).unwrap();
        fs::write(other.join(name), "mine").unwrap();
        let error = export(&bench.path(), &job(format, &other)).unwrap_err();
        assert!(matches!(error, ExportError::Refused { .. }), "{error}");
        assert_eq!(fs::read_to_string(other.join(name)).unwrap(), "mine");
        assert_eq!(files(&other).len(), 1);
    }
}

#[test]
fn a_place_is_not_exported_to_as_something_else() {
    let bench = odd_archive();
    let out = bench.dir.path().join("out");
    export(&bench.path(), &job(Format::Html, &out)).unwrap();
    let before = files(&out);
    for wrong in [Format::Markdown, Format::Parquet, Format::Jsonl] {
        let error = export(&bench.path(), &Job { since_last: false, ..job(wrong, &out) }).unwrap_err();
        assert!(matches!(error, ExportError::Refused { .. }), "{error}");
    }
    assert_eq!(files(&out), before);
}

#[test]
fn no_conversation_takes_the_note_of_another() {
    let names = ["ada", "Ada 5", "readme", "Ada 5 2", "ADA", "ada-5"];
    let conversations =
        names.iter().enumerate().map(|(i, name)| (format!("2-c{i}"), Some((*name).to_owned()))).collect();
    let mut bench = Bench::of(&[Configured { account: "me".into(), conversations, ..Configured::default() }]);
    for i in 0..names.len() {
        bench
            .put(i, &last_page(&[item(&format!("u{i}"), NOW, "Ada Example", &format!("said in {i}"))]))
            .unwrap();
    }
    let out = bench.dir.path().join("notes");
    export(&bench.path(), &job(Format::Markdown, &out)).unwrap();
    let files = files(&out);
    let folded: BTreeSet<String> = files.iter().map(|f| f.to_str().unwrap().to_lowercase()).collect();
    assert_eq!((files.len(), folded.len()), (names.len() + 1, names.len() + 1), "{files:?}");
    let all: String = files.iter().map(|f| fs::read_to_string(f).unwrap()).collect();
    for i in 0..names.len() {
        assert_eq!(all.matches(&format!("said in {i}")).count(), 1, "{i}: {files:?}");
    }
}

#[test]
fn a_forged_state_leads_nowhere_else() {
    let bench = odd_archive();
    let outside = bench.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let victim = outside.join("victim.txt");
    fs::write(&victim, "mine").unwrap();
    let forge = |state: &Path, name: &str| {
        let mut json: serde_json::Value = serde_json::from_slice(&fs::read(state).unwrap()).unwrap();
        json["files"].as_array_mut().unwrap().push(name.into());
        fs::write(state, json.to_string()).unwrap();
    };
    for &format in FORMATS {
        for (n, name) in
            ["../outside/victim.txt", victim.to_str().unwrap(), "./x", ""].into_iter().enumerate()
        {
            let folder = bench.dir.path().join(format!("forged-{}-{n}", format.name()));
            fs::create_dir(&folder).unwrap();
            let out = folder.join("out");
            export(&bench.path(), &job(format, &out)).unwrap();
            match format {
                Format::Jsonl | Format::Csv => forge(&folder.join(".out.archiver-export"), name),
                _ => forge(&out.join(".archiver-export"), name),
            }
            let error = export(&bench.path(), &job(format, &out)).unwrap_err();
            assert!(matches!(error, ExportError::Refused { .. }), "{format:?} {name}: {error}");
        }
    }
    // A folder of the export's that was made to lead out of it.
    let out = bench.dir.path().join("linked");
    export(&bench.path(), &job(Format::Html, &out)).unwrap();
    std::os::unix::fs::symlink(&outside, out.join("link")).unwrap();
    forge(&out.join(".archiver-export"), "link/victim.txt");
    let error = export(&bench.path(), &job(Format::Html, &out)).unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
}
