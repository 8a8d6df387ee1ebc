//! The sources of `src`, read as far as the rules need: comments and strings told from code, and paths that are imported.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One file of `src`.
#[derive(Debug)]
pub(super) struct Source {
    /// Its path below `src`.
    pub(super) path: String,
    /// As it is written.
    pub(super) text: String,
    /// Without comments.
    pub(super) code: String,
    /// Words and punctuation of the code, without strings.
    tokens: Vec<String>,
}

/// All of them.
pub(super) fn all() -> Vec<Source> {
    fn walk(at: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    assert!(files.len() > 100, "{} files", files.len());
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        Source::new(path.strip_prefix(&root).unwrap().to_str().unwrap(), text)
    };
    files.iter().map(read).collect()
}

impl Source {
    pub(super) fn new(path: &str, text: String) -> Self {
        let code = without_comments(&text, true);
        let tokens = tokens(&without_comments(&text, false));
        Self { path: path.to_owned(), text, code, tokens }
    }

    /// The module that the file is.
    pub(super) fn module(&self) -> Vec<String> {
        let mut module: Vec<String> =
            self.path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            module.pop();
        }
        module
    }

    /// The folder that the file is in; empty for the root.
    pub(super) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The paths in it that begin with `crate`, `super` or `self`, from the root of the crate.
    pub(super) fn paths(&self) -> Vec<Vec<String>> {
        self.walk().into_iter().map(|(path, _)| path).collect()
    }

    /// The names that it re-exports, and the paths that they stand for.
    pub(super) fn reexports(&self) -> BTreeMap<String, Vec<String>> {
        let reexported = self.walk().into_iter().filter(|(_, public)| *public);
        reexported.filter_map(|(path, _)| Some((path.last()?.clone(), path))).collect()
    }

    /// Each path, and whether a `pub use` makes it public.
    fn walk(&self) -> Vec<(Vec<String>, bool)> {
        let mut found = Vec::new();
        let mut module = self.module();
        // Depths at which modules written inside the file end.
        let (mut inline, mut depth) = (Vec::new(), 0_usize);
        let token = |at: usize| self.tokens.get(at).map_or("", String::as_str);
        let mut in_use: Option<bool> = None;
        let mut at = 0;
        while at < self.tokens.len() {
            match token(at) {
                "mod" if token(at + 2) == "{" => {
                    inline.push(depth);
                    module.push(token(at + 1).to_owned());
                }
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    if inline.last() == Some(&depth) {
                        inline.pop();
                        module.pop();
                    }
                }
                "use" => in_use = Some(at > 0 && ["pub", ")"].contains(&token(at - 1))),
                ";" => in_use = None,
                // A path of a `use` may begin with a child module.
                word if is_start(word) && token(at + 1) == "::" && !after_path(token(at.wrapping_sub(1)))
                    || in_use.is_some() && is_word(word) && token(at.wrapping_sub(1)) == "use" =>
                {
                    let (paths, next) = tree(&self.tokens, at, &[]);
                    let public = in_use == Some(true);
                    found.extend(
                        paths.into_iter().filter_map(|path| Some((absolute(&module, path)?, public))),
                    );
                    at = next;
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        found
    }
}

fn is_start(word: &str) -> bool {
    ["crate", "super", "self"].contains(&word)
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn after_path(token: &str) -> bool {
    token == "::"
}

/// The paths of a tree of imports, or the one path of an expression, and where it ends.
fn tree(tokens: &[String], mut at: usize, prefix: &[String]) -> (Vec<Vec<String>>, usize) {
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let mut path = prefix.to_vec();
    loop {
        if token(at) == "{" {
            let mut paths = Vec::new();
            at += 1;
            while !["}", ""].contains(&token(at)) {
                let (inner, next) = tree(tokens, at, &path);
                paths.extend(inner);
                at = next + usize::from(token(next) == ",");
            }
            return (paths, at + 1);
        }
        if !is_word(token(at)) && token(at) != "*" {
            return (vec![path], at.max(1));
        }
        // `self` within braces is what stands before them.
        if token(at) != "self" || path.is_empty() {
            path.push(token(at).to_owned());
        }
        at += 1;
        if token(at) == "as" {
            at += 2;
        }
        if token(at) != "::" {
            return (vec![path], at);
        }
        at += 1;
    }
}

/// A path from the root of the crate; `None` for one into another crate.
fn absolute(module: &[String], path: Vec<String>) -> Option<Vec<String>> {
    let mut here = module.to_vec();
    let mut segments = path.into_iter().peekable();
    match segments.peek().map(String::as_str) {
        Some("crate") => {
            segments.next();
            here.clear();
        }
        Some("self") => drop(segments.next()),
        Some("super") => {}
        // A child module, or another crate: that is for whoever resolves it.
        _ => {}
    }
    for segment in segments {
        if segment == "super" {
            here.pop()?;
        } else {
            here.push(segment);
        }
    }
    Some(here)
}

/// The text without comments, and without what is in strings where they are not kept.
pub(super) fn without_comments(text: &str, keep_strings: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut out, mut i) = (String::new(), 0);
    while i < chars.len() {
        let end = match (at(i), at(i + 1)) {
            ('/', '/') => {
                i = (i..chars.len()).find(|n| at(*n) == '\n').unwrap_or(chars.len());
                continue;
            }
            ('/', '*') => {
                i = end_of_block(&chars, i);
                continue;
            }
            ('"', _) => end_of_string(&chars, i),
            ('r', '"' | '#') if !(i > 0 && (at(i - 1).is_alphanumeric() || at(i - 1) == '_')) => {
                let hashes = (i + 1..).take_while(|n| at(*n) == '#').count();
                // `r#type` is a word.
                if at(i + 1 + hashes) == '"' { end_of_raw(&chars, i + 2 + hashes, hashes) } else { i + 1 }
            }
            ('\'', '\\') => (i + 3..).find(|n| at(*n) == '\'' || *n >= chars.len()).map_or(i, |n| n + 1),
            ('\'', _) if at(i + 2) == '\'' => i + 3,
            _ => {
                out.push(at(i));
                i += 1;
                continue;
            }
        };
        match keep_strings {
            true => out.extend(chars.get(i..end.min(chars.len())).into_iter().flatten()),
            false => out.push_str("\"\""),
        }
        i = end;
    }
    out
}

fn end_of_block(chars: &[char], begin: usize) -> usize {
    let (mut i, mut depth) = (begin, 0_usize);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (i, depth) = (i + 2, depth + 1),
            ('*', Some('/')) if depth == 1 => return i + 2,
            ('*', Some('/')) => (i, depth) = (i + 2, depth - 1),
            _ => i += 1,
        }
    }
    i
}

fn end_of_string(chars: &[char], begin: usize) -> usize {
    let mut i = begin + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn end_of_raw(chars: &[char], begin: usize, hashes: usize) -> usize {
    let closes = |i: &usize| chars[*i] == '"' && (1..=hashes).all(|n| chars.get(i + n) == Some(&'#'));
    (begin..chars.len()).find(closes).map_or(chars.len(), |i| i + 1 + hashes)
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            let mut word = String::from(c);
            while let Some(more) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                word.push(more);
            }
            tokens.push(word);
        } else if c == ':' && chars.next_if_eq(&':').is_some() {
            tokens.push("::".to_owned());
        } else if !c.is_whitespace() {
            tokens.push(c.to_string());
        }
    }
    tokens
}

#[test]
fn comments_and_strings_are_told_from_code() {
    let text = r##"a // crate::x
/* b /* c */ */ d "e // \" f" 'g' '"' r#"h " "# 'static '\'' i"##;
    assert_eq!(without_comments(text, true), "a \n d \"e // \\\" f\" 'g' '\"' r#\"h \" \"# 'static '\\'' i");
    assert_eq!(without_comments(text, false), "a \n d \"\" \"\" \"\" \"\" 'static \"\" i");
}

#[test]
fn paths_are_found_whatever_form_they_have() {
    let text = "
        use crate::a::{self, b::{C, D as E}, f};
        pub use super::g::H;
        use child::Item;
        fn f() -> crate::i::J { super::super::k::l(\"crate::no\") }
        mod tests { use super::m; use super::super::n; }
        use crate::o;";
    let source = Source::new("p/q/r.rs", text.to_owned());
    let paths: Vec<String> = source.paths().iter().map(|path| path.join("::")).collect();
    assert_eq!(
        paths,
        [
            "a",
            "a::b::C",
            "a::b::D",
            "a::f",
            "p::q::g::H",
            "p::q::r::child::Item",
            "i::J",
            "p::k::l",
            "p::q::r::m",
            "p::q::n",
            "o"
        ]
    );
    let reexports = source.reexports();
    assert_eq!(reexports["H"].join("::"), "p::q::g::H");
    assert_eq!(reexports.len(), 1);
}
