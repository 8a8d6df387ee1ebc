//! The dependency rule of `src/lib.rs`, kept by reading the sources.

use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 620;

/// All sources below a folder of `src`, each with its text without comments.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(at: &Path, into: &mut Vec<PathBuf>) {
        let mut entries: Vec<PathBuf> = fs::read_dir(at).unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                into.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder), &mut files);
    assert!(!files.is_empty(), "no sources below {folder}");
    let code = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    files
        .into_iter()
        .map(|path| {
            let text = code(&path);
            (path, text)
        })
        .collect()
}

/// Fails when a source below the folder holds one of the words.
fn forbid(folder: &str, words: &[&str]) {
    for (path, text) in sources(folder) {
        // Tests may look at anything.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in words {
            assert!(!code.contains(word), "{} uses {word}, which src/lib.rs forbids it", path.display());
        }
    }
}

#[test]
fn the_core_is_pure() {
    forbid(
        "core",
        &[
            "crate::api",
            "crate::store",
            "crate::sync",
            "crate::cli",
            "crate::config",
            "crate::clock",
            "crate::fake_api",
            "tokio",
            "reqwest",
            "rusqlite",
            "fastrand",
            "async fn",
            "std::fs",
            "std::net",
            "std::env",
            "SystemTime",
            "Instant",
            "Utc::now",
            "Local::now",
        ],
    );
}

#[test]
fn the_api_and_the_archive_never_meet_but_in_the_engine() {
    forbid(
        "api",
        &["crate::store", "crate::sync", "crate::cli", "crate::config", "crate::fake_api", "rusqlite"],
    );
    forbid(
        "store",
        &["crate::api", "crate::sync", "crate::cli", "crate::config", "crate::fake_api", "reqwest"],
    );
    forbid("sync", &["crate::cli", "crate::config", "crate::fake_api", "rusqlite", "reqwest"]);
    forbid(
        "fake_api",
        &["crate::api", "crate::store", "crate::sync", "crate::cli", "crate::config", "rusqlite"],
    );
}

#[test]
fn only_the_archive_speaks_sql() {
    for (path, text) in sources("") {
        if path.components().any(|c| c.as_os_str() == "store")
            || path.ends_with("cli/demo.rs")
            || path.ends_with("cli/sql.rs")
        {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "PRAGMA "] {
            assert!(!code.contains(word), "{} holds SQL: {word}", path.display());
        }
    }
}

#[test]
fn every_source_says_in_a_sentence_what_it_is_for_and_none_is_too_long() {
    for (path, _) in sources("") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} begins without a sentence of purpose", path.display());
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines", path.display());
    }
}
