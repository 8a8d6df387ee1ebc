//! Delta Lake: what deltalake, Polars, DuckDB and a Spark engine read is what the archives say, in a folder and in a bucket,
//! before and after edits, vanished messages, new names and erasures, and after another program compacted the tables.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use archiver::core::lake::RowSizes;
use archiver::lake::objects::{CloudEnv, ObjectAccess, Objects};
use archiver::lake::push::{NoPushWatch, Pushed, push};
use archiver::lake::storage::{ListedObject, Storage as _};
use archiver::lake::verify::verify;
use archiver::store::{Configured, Erasure, Reader, Selection, Trigger, name_archive};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::lake_python;
use crate::support::bench::{Bench, NOW, item, more_page};
use crate::support::export::{MINUTE, odd_archive};
use crate::support::lake::{TextRow, VIEWS, differing};

const PAGE: &str = include_str!("../../docs/lake.md");

const ENGINES: [&str; 4] = ["deltalake", "polars", "duckdb", "spark"];

/// So small that files of other sizes and row groups taken over from older files are read, too.
const SMALL: RowSizes = RowSizes { file: 200, group: 8 };

/// A Python program that goes on until it is dropped.
struct Helper {
    child: Child,
    asks: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Helper {
    fn start(what: &str, env: &[(&str, String)]) -> Self {
        let mut command: Command = lake_python();
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/lake.py")).arg(what);
        command.envs(env.iter().map(|(name, value)| (name, value)));
        command.env("PYTHONWARNINGS", "ignore");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (asks, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, asks, answers: BufReader::new(answers).lines() }
    }

    #[track_caller]
    fn answer(&mut self) -> String {
        self.answers.next().expect("the program says why it ended").unwrap()
    }

    #[track_caller]
    fn ask(&mut self, engine: &str, path: &str) -> String {
        writeln!(self.asks, "{}", json!({"engine": engine, "path": path})).unwrap();
        self.answer()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A lake with what reads it, and the archives that are pushed to it.
struct Lake {
    place: String,
    objects: Objects,
    reader: Helper,
    engines: Vec<&'static str>,
    archives: Vec<Bench>,
    now: i64,
}

impl Lake {
    fn open(place: &str, env: &[(&str, String)], engines: &[&'static str]) -> Self {
        let cloud: CloudEnv = env.iter().map(|(name, value)| (*name, value.clone())).collect();
        let access = ObjectAccess { env: cloud, ..ObjectAccess::default() };
        let objects = Objects::open(place.as_ref(), &access).unwrap();
        objects.check_create().unwrap();
        let account = Configured {
            account: "Büro 7/%".into(),
            conversations: vec![("2-büro".into(), None)],
            ..Configured::default()
        };
        let archives = vec![odd_archive(), Bench::of(&[account])];
        archives.iter().for_each(|archive| name_archive(&archive.path()).map(drop).unwrap());
        let reader = Helper::start("read", env);
        Self { place: place.to_owned(), objects, reader, engines: engines.to_vec(), archives, now: NOW }
    }

    fn push(&mut self) -> Vec<Pushed> {
        self.now += MINUTE;
        let each = self.archives.iter().map(|archive| {
            let reader = Reader::open(&archive.path()).unwrap();
            push(&self.objects, &reader.snapshot().unwrap(), SMALL, self.now, &mut NoPushWatch).unwrap()
        });
        each.collect()
    }

    /// Every engine reads in every table what the views say.
    #[track_caller]
    fn assert_same(&mut self, when: &str) {
        let archives: Vec<Connection> = self.archives.iter().map(Bench::other).collect();
        let archives: Vec<&Connection> = archives.iter().collect();
        for engine in &self.engines {
            let mut read = |table: &str| -> Vec<TextRow> {
                serde_json::from_str(&self.reader.ask(engine, &format!("{}/{table}", self.place))).unwrap()
            };
            assert_eq!(differing(&archives, &mut read), Vec::<String>::new(), "{engine} {when}");
        }
        for archive in &self.archives {
            let reader = Reader::open(&archive.path()).unwrap();
            let verified =
                verify(&self.objects, &reader.snapshot().unwrap(), self.now, &mut NoPushWatch).unwrap();
            assert!(verified.differences.is_empty() && verified.rows > 0, "{when}: {verified:?}");
        }
    }

    /// Messages come, one is edited and moved to another month, and some vanish.
    fn change(&mut self, n: i64) {
        let odd = &mut self.archives[0];
        let at = NOW + (10 + n) * MINUTE;
        let page = [
            item(&format!("n{n}"), at, "Ada Example", "brand new"),
            item("z", at - MINUTE, "Olivia <Owner>", &format!("moved and edited {n}")),
        ];
        odd.put(6, &more_page(&page, NOW - 2 * MINUTE)).unwrap();
        odd.next_run();
        let office = &mut self.archives[1];
        let kept = [item("u2", NOW + 2 * MINUTE, "Jörg Büttner", &format!("zwei {n}"))];
        let both = [kept[0].clone(), item("u1", NOW, "Jörg Büttner", "eins")];
        let page = if n % 2 == 0 { both.as_slice() } else { &kept };
        office.put(0, &more_page(page, NOW)).unwrap();
        office.next_run();
    }

    fn erase(&mut self, text: &str) {
        let bench = &mut self.archives[0];
        let ids: Vec<i64> = bench.all(&format!("SELECT id FROM message WHERE text LIKE '{text}%'"));
        assert!(!ids.is_empty());
        let ids = ids.into_iter().map(archiver::core::model::ids::MessageId).collect();
        let selection = Selection { messages: Some(ids), ..Selection::default() };
        let erasure = Erasure { selection: &selection, reason: None, trigger: Trigger::Once, now: bench.now };
        let erased = bench.store.erase(&erasure).unwrap().unwrap();
        bench.store.finish_erasures(erased.traces, Some(bench.now)).unwrap();
    }

    /// The lake's objects in which a text stands, plainly or in a column of a Parquet file.
    fn holding(&self, text: &str) -> Vec<String> {
        let mut holding = Vec::new();
        for object in self.objects.list("").unwrap() {
            let bytes = self.objects.get(&object.key).unwrap().unwrap();
            let is_data = object.key.ends_with(".parquet") && !object.key.contains("/_delta_log/");
            let said = if is_data {
                crate::support::lake::parquet_rows(bytes)
                    .iter()
                    .any(|row| row.values().any(|value| value.contains(text)))
            } else {
                bytes.windows(text.len()).any(|part| part == text.as_bytes())
            };
            holding.extend(said.then_some(object.key));
        }
        holding
    }

    /// The statements of `docs/lake.md` work; the last one takes an archive out of the lake, which the next push brings back.
    fn ask_as_the_page_does(&mut self) {
        let archive: String = self.archives[1].one("SELECT archive FROM identity");
        let asked = json!({"engine": "statements", "path": self.place, "page": PAGE, "archive": archive});
        writeln!(self.reader.asks, "{asked}").unwrap();
        let ran: Vec<String> = serde_json::from_str(&self.reader.answer()).unwrap();
        let expected = ["DuckDB", "DuckDB", "Polars and pandas", "Spark", "Spark SQL", "Remove an archive"];
        assert_eq!(ran, expected);
        let is_there = |object: &ListedObject| object.key.contains(&archive);
        let rest: Vec<ListedObject> = self.objects.list("").unwrap().into_iter().filter(is_there).collect();
        assert!(matches!(rest.as_slice(), [state] if state.key.starts_with("_archiver/")), "{rest:?}");
        self.objects.delete(&[rest[0].key.clone()]).unwrap();
        assert!(self.push()[1].whole);
        self.assert_same("after an archive was removed and pushed again");
    }

    fn live(&mut self) {
        self.change(0);
        assert!(self.push().iter().all(|pushed| pushed.whole));
        self.assert_same("at first");
        self.change(1);
        assert!(self.push().iter().all(|pushed| !pushed.whole && !pushed.tables.is_empty()));
        self.assert_same("after edits and vanished messages");
        self.archives[0].other().execute_batch("UPDATE conversation SET alias = 'Renamed'").unwrap();
        for n in 2..12 {
            self.change(n);
            self.push();
        }
        let checkpoint = self.objects.list("messages/_delta_log/").unwrap();
        assert!(
            checkpoint.iter().any(|object| object.key.ends_with(".checkpoint.parquet")),
            "{checkpoint:?}"
        );
        self.assert_same("with new names, after a checkpoint");

        let [before, after] = ["brand", "moved and"].map(|text| self.holding(text));
        assert!(!before.is_empty() && !after.is_empty());
        self.erase("brand new");
        self.push();
        assert_eq!(self.holding("brand new"), Vec::<String>::new());
        self.assert_same("after an erasure");

        for (table, ..) in VIEWS {
            let path = format!("{}/{table}", self.place);
            let compacted: Value = serde_json::from_str(&self.reader.ask("compact", &path)).unwrap();
            assert!(compacted["numFilesAdded"].is_u64(), "{compacted}");
        }
        self.assert_same("after another program compacted the tables");
        self.ask_as_the_page_does();
        self.change(12);
        self.erase("moved and");
        self.push();
        assert_eq!(self.holding("moved and"), Vec::<String>::new());
        self.assert_same("after changes to compacted tables");
    }
}

#[test]
fn every_engine_reads_what_the_archives_say_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let engines = [ENGINES.as_slice(), &["parquet"]].concat();
    Lake::open(&folder.path().join("lake").display().to_string(), &[], &engines).live();
}

#[test]
fn every_engine_reads_what_the_archives_say_in_a_bucket() {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let mut env: Vec<(&str, String)> = keys.map(|(name, value)| (name, value.to_owned())).to_vec();
    let mut bucket = Helper::start("bucket", &env);
    env.push(("AWS_ENDPOINT_URL", bucket.answer()));
    Lake::open("s3://lakes/all/offices", &env, &ENGINES).live();
}
