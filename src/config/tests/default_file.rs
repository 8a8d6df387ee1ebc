//! The default file: it lists every key, says what the defaults are, and its examples work.

use super::*;

#[test]
fn the_default_file_says_what_the_defaults_are() {
    let file = Path::new("/etc/archiver/archiver.toml");
    let shown = Config::parse(DEFAULT_TOML, file).unwrap();
    let built_in = Config::parse("", file).unwrap();
    assert_eq!(shown.warnings, Vec::<String>::new());
    let sources = |config: &Config| format!("{:?}", config.sources).replace("Named", "Default");
    assert!(
        sources(&shown).contains("/etc/archiver/api_key")
            && sources(&built_in).contains("/etc/archiver/api_key")
    );
    let nowhere = || SecretSources {
        api_key: crate::config::secrets::Source::Nowhere,
        login_tokens: Vec::new(),
        login_files: Vec::new(),
        warnings: Vec::new(),
    };
    let plain = |config: Config| format!("{:?}", Config { sources: nowhere(), ..config });
    assert_eq!(plain(shown), plain(built_in));
}

#[test]
fn the_default_file_lists_every_key() {
    let known = known_keys();
    let sections = ["api", "archive", "budget", "schedule", "events", "alerts", "metrics", "sync"];
    let documents = sections.iter().map(|section| (*section, format!("[{section}]\nzz = 1")));
    for (section, text) in documents.chain([("accounts", "[[accounts]]\nzz = 1".to_owned())]) {
        // serde's own message lists the keys that it knows.
        let error = toml::from_str::<super::settings::Document>(&text).err().unwrap().to_string();
        let expected = error.split_once("expected ").unwrap().1;
        for key in expected.split('`').skip(1).step_by(2) {
            assert!(known.contains(&format!("{section}.{key}")), "{section}.{key}");
        }
    }
    assert!(
        known
            .iter()
            .all(|path| sections.iter().any(|s| path.starts_with(s)) || path.starts_with("accounts."))
    );
}

#[test]
fn the_examples_in_the_default_file_work() {
    // A line that is commented out and is TOML is an example; the others are sentences.
    let is_example = |line: &str| {
        line.starts_with("[[") || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    };
    let uncomment = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if is_example(rest) => rest.to_owned(),
        _ => line.to_owned(),
    };
    let text: Vec<String> = DEFAULT_TOML.lines().map(uncomment).collect();
    let config = Config::parse(&text.join("\n"), Path::new("/x/archiver.toml")).unwrap();
    assert_eq!(config.budget.caps().month, Some(3_000));
    let account = &config.accounts[0];
    assert_eq!((account.profiles.len(), account.conversations.len()), (2, 2));
    assert_eq!(account.owner_name.as_deref(), Some("Ada Example"));
}
