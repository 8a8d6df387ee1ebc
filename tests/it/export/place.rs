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
    fn step(&mut self) -> Result<(), ExportError> {
        self.0 = self.0.checked_sub(1).ok_or(ExportError::Stopped)?;
        Ok(())
    }
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
            Format::Html | Format::Parquet | Format::Markdown | Format::Delta => folder.join("out"),
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

#[test]
fn notes_that_were_edited_are_left_alone_unless_forced() {
    let bench = odd_archive();
    let out = bench.dir.path().join("notes");
    let done = export(&bench.path(), &job(Format::Markdown, &out)).unwrap();
    assert_eq!(done.left_alone, [] as [&Path; 0]);
    let all = files(&out);
    let note = all.iter().find(|file| !file.ends_with("README.md")).unwrap();
    let mine = format!("{}\nMy remark.\n", fs::read_to_string(note).unwrap());
    fs::write(note, &mine).unwrap();
    // However often, and whatever has changed meanwhile.
    for _ in 0..2 {
        bench.other().execute("UPDATE person SET name = name || '!'", []).unwrap();
        let done = export(&bench.path(), &job(Format::Markdown, &out)).unwrap();
        assert_eq!(done.left_alone, [note.as_path()]);
        assert_eq!(fs::read_to_string(note).unwrap(), mine);
        assert_eq!(files(&out), all);
        let others = all.iter().filter(|file| *file != note && !file.ends_with("README.md"));
        assert!(others.into_iter().any(|file| fs::read_to_string(file).unwrap().contains('!')));
    }
    let done = export(&bench.path(), &Job { force: true, ..job(Format::Markdown, &out) }).unwrap();
    assert_eq!(done.left_alone, [] as [&Path; 0]);
    assert!(!fs::read_to_string(note).unwrap().contains("My remark."));
    assert_eq!(export(&bench.path(), &job(Format::Markdown, &out)).unwrap().left_alone, [] as [&Path; 0]);
}

#[test]
fn a_staging_folder_that_is_swapped_leads_nowhere_else() {
    struct SwapStaging<'a> {
        out: &'a Path,
        victim: &'a Path,
        done: bool,
    }
    impl Watch for SwapStaging<'_> {
        fn step(&mut self) -> Result<(), ExportError> {
            if !self.done {
                self.done = true;
                for entry in fs::read_dir(self.out).unwrap().map(|entry| entry.unwrap().path()) {
                    let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
                    if name.starts_with(".archiver-export-") {
                        fs::rename(&entry, self.out.join("moved")).unwrap();
                        std::os::unix::fs::symlink(self.victim, &entry).unwrap();
                    }
                }
            }
            Ok(())
        }
    }
    let bench = odd_archive();
    let victim = bench.dir.path().join("victim");
    fs::create_dir(&victim).unwrap();
    for name in ["0", "1", "2", "state", "words-0", "files"] {
        fs::write(victim.join(name), "mine").unwrap();
    }
    for &format in FORMATS {
        let folder = bench.dir.path().join(format!("swapped-{}", format.name()));
        fs::create_dir(&folder).unwrap();
        let in_folder = !matches!(format, Format::Jsonl | Format::Csv);
        let out = if in_folder { folder.clone() } else { folder.join("out") };
        let mut watch = SwapStaging { out: &folder, victim: &victim, done: false };
        run(&Reader::open(&bench.path()).unwrap(), &job(format, &out), &mut watch).unwrap();
        assert!(watch.done, "{format:?}");
        for name in ["0", "1", "2", "state", "words-0", "files"] {
            assert_eq!(fs::read_to_string(victim.join(name)).unwrap(), "mine", "{format:?} {name}");
        }
        assert_eq!(fs::read_dir(&victim).unwrap().count(), 6, "{format:?}");
    }
}
