//! The rules of `src`, kept by reading every file of it whole, tests included. Who may import whom is the table in
//! `src/lib.rs`.

mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::Source;

/// No file is longer, in lines.
const LONGEST_FILE: usize = 500;

/// What the core must not even name: clocks, chance, the environment, disk, network and waiting.
const IMPURE: &[&str] = &[
    "tokio",
    "reqwest",
    "rusqlite",
    "fastrand",
    "rustix",
    "async fn",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "Utc::now",
    "Local::now",
];

const SQL: &[&str] = &["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "PRAGMA "];

/// Files outside of `store` that hold SQL, and why.
const SQL_ELSEWHERE: &[(&str, &str)] = &[
    ("cli/commands/demo.rs", "shows a query to be tried"),
    ("cli/commands/sql.rs", "passes on the user's queries"),
    ("cli/args.rs", "shows queries in its help"),
];

/// The modules in the table of `src/lib.rs`, and what each may import.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = include_str!("../../../src/lib.rs");
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |"));
    let cells = rows.map(|row| row.split(" | ").collect::<Vec<_>>()).filter(|row| row.len() == 3);
    let names =
        |cell: &str| -> BTreeSet<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let table: BTreeMap<String, BTreeSet<String>> =
        cells.filter_map(|row| Some((names(row[0]).into_iter().next()?, names(row[2])))).collect();
    assert!(table.len() > 10, "no table in src/lib.rs: {table:?}");
    table
}

/// The top-level module of a file; `None` for `lib.rs` and `main.rs`, which are over all of them.
fn top(source: &Source) -> Option<String> {
    source.module().first().cloned()
}

#[test]
fn modules_import_what_the_table_in_lib_rs_allows_and_nothing_else() {
    let table = table();
    let sources = source::all();
    let tops: BTreeSet<String> = sources.iter().filter_map(top).collect();
    assert_eq!(tops, table.keys().cloned().collect(), "the table does not list the modules of src");
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for source in &sources {
        let Some(module) = top(source) else { continue };
        let used = source.paths().into_iter().filter_map(|path| path.into_iter().next());
        for other in used.filter(|other| *other != module && tops.contains(other)) {
            if !table[&module].contains(&other) {
                wrong.push(format!("{} imports {other}", source.path));
            }
            imports.entry(module.clone()).or_default().insert(other);
        }
    }
    assert!(wrong.is_empty(), "the table in src/lib.rs does not allow that {wrong:#?}");
    for (module, allowed) in &table {
        let used = imports.remove(module).unwrap_or_default();
        assert_eq!(used, *allowed, "the table allows {module} more than it imports");
    }
}

#[test]
fn the_arrows_of_the_table_run_in_one_direction() {
    let mut left = table();
    while !left.is_empty() {
        let modules: BTreeSet<String> = left.keys().cloned().collect();
        let leaf =
            left.iter().find(|(_, allowed)| allowed.is_disjoint(&modules)).map(|(name, _)| name.clone());
        let Some(leaf) = leaf else { panic!("these import each other: {modules:?}") };
        left.remove(&leaf);
    }
}

/// The files by the module that each is, and what each re-exports.
struct Modules<'a>(BTreeMap<Vec<String>, Module<'a>>);

struct Module<'a> {
    file: &'a Source,
    reexports: BTreeMap<String, Vec<String>>,
}

impl<'a> Modules<'a> {
    fn of(sources: &'a [Source]) -> Self {
        Self(
            sources
                .iter()
                .map(|file| (file.module(), Module { file, reexports: file.reexports() }))
                .collect(),
        )
    }

    /// The file that a path leads to, through re-exports.
    fn file(&self, path: &[String], depth: usize) -> Option<&'a Source> {
        let (at, module) = (1..=path.len()).rev().find_map(|n| Some((n, self.0.get(&path[..n])?)))?;
        let target =
            path.get(at).and_then(|name| module.reexports.get(name)).filter(|target| *target != path);
        match target.filter(|_| depth < 8) {
            Some(target) => self.file(target, depth + 1).or(Some(module.file)),
            None => Some(module.file),
        }
    }
}

/// Whether imports lead from one folder to another, over however many between.
fn reaches(edges: &BTreeMap<(String, String), BTreeSet<String>>, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(folder) = open.pop() {
        if folder == to {
            return true;
        }
        if seen.insert(folder) {
            open.extend(edges.keys().filter(|(start, _)| start == folder).map(|(_, end)| end.as_str()));
        }
    }
    false
}

#[test]
fn no_two_folders_import_each_other() {
    let sources = source::all();
    let modules = Modules::of(&sources);
    let mut edges: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for source in &sources {
        for path in source.paths() {
            let Some(target) = modules.file(&path, 0) else { continue };
            let (from, to) = (source.folder().to_owned(), target.folder().to_owned());
            let contains = |a: &str, b: &str| a.is_empty() || b == a || b.starts_with(&format!("{a}/"));
            if !contains(&from, &to) && !contains(&to, &from) {
                edges.entry((from, to)).or_default().insert(format!("{} -> {}", source.path, target.path));
            }
        }
    }
    let cycles = edges.iter().filter(|((from, to), _)| reaches(&edges, to, from));
    let cycles: Vec<_> = cycles.map(|((from, to), files)| format!("{from} -> {to}: {files:?}")).collect();
    assert!(cycles.is_empty(), "{cycles:#?}");
}

#[test]
fn the_core_is_pure() {
    for source in source::all().iter().filter(|s| s.path.starts_with("core/")) {
        for word in IMPURE {
            assert!(!source.code.contains(word), "{} names {word}", source.path);
        }
    }
}

#[test]
fn only_the_store_speaks_sql() {
    for source in source::all() {
        let allowed =
            source.path.starts_with("store/") || SQL_ELSEWHERE.iter().any(|(path, _)| *path == source.path);
        for word in SQL.iter().filter(|_| !allowed) {
            assert!(!source.code.contains(word), "{} holds SQL: {word}", source.path);
        }
    }
}

/// `Cargo.toml` has no harness built for them, which every first build would wait for.
#[test]
fn no_test_stands_in_main_or_in_an_example_of_the_documentation() {
    let is_doc = |line: &&str| line.trim_start().starts_with("///") || line.starts_with("//!");
    let is_example =
        |line: &str| line.contains("```") || line.contains("///     ") || line.starts_with("//!     ");
    for source in source::all() {
        let example = source.text.lines().filter(is_doc).find(|line| is_example(line));
        assert_eq!(example, None, "{} has an example that nothing runs", source.path);
        assert!(source.path != "main.rs" || !source.code.contains("#[test]"), "a test that nothing runs");
    }
}

#[test]
fn every_file_says_what_it_is_for_and_none_is_too_long() {
    for source in source::all() {
        let first = source.text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 20, "{} begins without a purpose", source.path);
        let lines = source.text.lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines", source.path);
    }
}

/// The types that a file defines, but for those whose definition says why there is another one of that name, in a
/// comment above it that begins with `// Also`.
fn types(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let keyword = words.iter().position(|w| ["struct", "enum", "trait", "type", "union"].contains(w));
        let before_is_visibility = |n: usize| {
            words[..n]
                .iter()
                .all(|w| ["", "pub", "crate", "super", "in"].contains(w) || line.starts_with("pub(in"))
        };
        let Some(name) = keyword.filter(|n| before_is_visibility(*n)).and_then(|n| words.get(n + 1)) else {
            continue;
        };
        let above = lines[..at].iter().rev().take_while(|l| l.starts_with("//") || l.starts_with("#["));
        let excused = above.into_iter().any(|l| l.starts_with("// Also "));
        // Indented ones are of an impl, a function or a test.
        if !line.starts_with(' ') && !excused {
            found.push((*name).to_owned());
        }
    }
    found
}

#[test]
fn no_type_name_is_defined_twice() {
    let mut defined: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let sources = source::all();
    for source in sources.iter().filter(|s| !s.path.ends_with("tests.rs")) {
        for name in types(source) {
            defined.entry(name).or_default().push(source.path.clone());
        }
    }
    defined.retain(|_, paths| paths.len() > 1);
    assert!(defined.is_empty(), "{defined:#?}");
}
