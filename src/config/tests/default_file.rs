//! The default file: it lists every key, says what the defaults are, and its examples work.

use super::*;
use crate::config::keys::with_its_example;

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
    let plain = |config: Config| format!("{:?}", Config { sources: SecretSources::default(), ..config });
    assert_eq!(plain(shown), plain(built_in));
}

#[test]
fn the_default_file_lists_every_key() {
    let sections =
        ["api", "archive", "budget", "retention", "schedule", "events", "alerts", "metrics", "lake", "sync"];
    let documents = sections.iter().map(|section| (*section, format!("[{section}]\nzz = 1")));
    for (section, text) in documents.chain([
        ("accounts[]", "[[accounts]]\nzz = 1".to_owned()),
        ("notify[]", "[[notify]]\nzz = 1".to_owned()),
    ]) {
        // serde's own message lists the keys that it knows.
        let error = toml::from_str::<Config>(&text).err().unwrap().to_string();
        let expected = error.split_once("expected ").unwrap().1;
        for key in expected.split('`').skip(1).step_by(2) {
            assert!(KEYS.contains_key(&format!("{section}.{key}")), "{section}.{key}");
        }
    }
    let is_known = |path: &String| sections.iter().any(|section| path.starts_with(section));
    assert!(KEYS.keys().all(|path| is_known(path)
        || path.starts_with("accounts")
        || path.starts_with("notify")
        || path.is_empty()));
}

#[test]
fn the_examples_in_the_default_file_work() {
    let text = DEFAULT_TOML.lines().map(with_its_example);
    let text: Vec<_> =
        text.filter(|line| cfg!(feature = "lake") || !line.starts_with("path = \"s3://")).collect();
    let config = Config::parse(&text.join("\n"), Path::new("/x/archiver.toml")).unwrap();
    assert_eq!(config.budget.caps().month, Some(3_000));
    let account = &config.accounts[0];
    assert_eq!((account.profiles.len(), account.conversations.len()), (2, 2));
    assert_eq!(account.owner_name.as_deref(), Some("Ada Example"));
    let kinds: Vec<&str> = config.sinks.iter().map(Sink::kind).collect();
    assert_eq!(kinds, ["webhook", "command", "email"]);
}
