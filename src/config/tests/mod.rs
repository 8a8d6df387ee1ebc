//! The configuration as a whole: precedence, strictness, the default file.

mod default_file;
mod lake;
mod notify;
mod secrets;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::keys::KEYS;
use super::*;

/// A directory with an `archiver.toml`, which is also the working directory.
struct TestDir(TempDir);

impl TestDir {
    fn with(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Self(dir);
        place.put("archiver.toml", text);
        place
    }

    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn load(&self, vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
        self.load_with(vars, &Flags::default())
    }

    fn load_with(&self, vars: &[(&str, &str)], flags: &Flags) -> Result<Config, ConfigError> {
        Config::load(flags, &Env::fixed(self.path(), vars.iter().copied()))
    }

    /// The API key and the first account's token, as they would be sent.
    fn secrets(&self, vars: &[(&str, &str)]) -> Result<(String, String), String> {
        let mut config = self.load(vars).map_err(|error| error.to_string())?;
        config.load_secrets().map_err(|error| error.to_string())?;
        let token = config.accounts[0].login_token.as_ref().map(|t| t.expose().to_owned());
        Ok((config.api.api_key.unwrap().expose().to_owned(), token.unwrap_or_default()))
    }
}

fn error_of(text: &str) -> String {
    TestDir::with(text).load(&[]).unwrap_err().to_string()
}

const ACCOUNT: &str = "[[accounts]]\nname = \"me\"\n";

#[test]
fn the_file_beats_the_default() {
    assert_eq!(TestDir::with("").load(&[]).unwrap().budget.credits_per_run, Some(50));
    let file = TestDir::with("[budget]\ncredits_per_run = 40");
    assert_eq!(file.load(&[]).unwrap().budget.credits_per_run, Some(40));
}

#[test]
fn the_environment_beats_the_file() {
    let file = TestDir::with("[budget]\ncredits_per_run = 40\ncredits_per_day = 7");
    let budget = file.load(&[("ARCHIVER_BUDGET__CREDITS_PER_RUN", "20")]).unwrap().budget;
    assert_eq!((budget.credits_per_run, budget.credits_per_day), (Some(20), Some(7)));
}

#[test]
fn the_flag_beats_the_environment_but_never_raises_a_cap() {
    let file = TestDir::with("");
    let run = |budget| {
        let flags = Flags { config: None, budget: Some(budget) };
        let vars = [("ARCHIVER_BUDGET__CREDITS_PER_RUN", "20")];
        file.load_with(&vars, &flags).unwrap().budget.credits_per_run
    };
    assert_eq!((run(5), run(30), run(0)), (Some(5), Some(20), Some(0)));
}

#[test]
fn the_named_file_beats_the_variable_and_that_beats_the_usual_places() {
    let place = TestDir::with("[api]\nretries = 1");
    place.put("xdg/archiver/archiver.toml", "[api]\nretries = 2");
    place.put("by-variable.toml", "[api]\nretries = 3");
    place.put("by-flag.toml", "[api]\nretries = 4");
    let xdg = place.path().join("xdg").display().to_string();
    let variable = ("ARCHIVER_CONFIG", "by-variable.toml");
    let flags = Flags { config: Some("by-flag.toml".into()), budget: None };
    let retries = |config: Config| config.api.retries;
    assert_eq!(place.load_with(&[variable], &flags).map(retries), Ok(4));
    assert_eq!(place.load(&[variable, ("XDG_CONFIG_HOME", &xdg)]).map(retries), Ok(3));
    assert_eq!(place.load(&[("XDG_CONFIG_HOME", &xdg)]).map(retries), Ok(1));
    fs::remove_file(place.path().join("archiver.toml")).unwrap();
    assert_eq!(place.load(&[("XDG_CONFIG_HOME", &xdg)]).map(retries), Ok(2));
}

#[test]
fn without_any_file_the_error_tells_how_to_begin() {
    let error = TestDir::empty().load(&[]).unwrap_err();
    assert!(error.to_string().contains("there is no configuration file"), "{error}");
    assert!(error.help().contains("archiver default-config > archiver.toml"));
    let flags = Flags { config: Some("nowhere.toml".into()), budget: None };
    let error = TestDir::with("").load_with(&[], &flags).unwrap_err().to_string();
    assert!(error.contains("nowhere.toml: cannot be read"), "{error}");
}

#[test]
fn the_environment_can_say_everything() {
    let accounts = r#"[{ name = "me", profiles = ["ada"] }]"#;
    let vars = [("ARCHIVER_ACCOUNTS", accounts), ("ARCHIVER_API_KEY", "k"), ("ARCHIVER_LOGIN_TOKEN", "t")];
    let place = TestDir::empty();
    assert_eq!(place.secrets(&vars), Ok(("k".into(), "t".into())));
    let config = place.load(&vars).unwrap();
    assert_eq!((config.source, config.accounts[0].profiles.len()), (None, 1));
    // Enough for what only reads the archive.
    let config = place.load(&[("ARCHIVER_ARCHIVE__PATH", "/data/a.db")]).unwrap();
    assert_eq!(config.archive.path, Path::new("/data/a.db"));
    // A list from the environment replaces that of the file.
    let config = TestDir::with(ACCOUNT).load(&[("ARCHIVER_ACCOUNTS", "[]")]).unwrap();
    assert!(config.accounts.is_empty());
}

/// The keys that a variable can set, each with a value of its type.
fn keys_with_values() -> impl Iterator<Item = (String, &'static str)> {
    let value = |path: &str| match path {
        "api.base_url" => "https://api.linkupapi.com",
        "api.version" => "v2",
        "api.retry_base_secs" | "api.retry_max_secs" => "1.5",
        "archive.readable_by_group"
        | "budget.reconcile"
        | "schedule.run_at_start"
        | "events.enabled"
        | "lake.after_run" => "false",
        "schedule.cron" => "0 0 * * * *",
        "schedule.timezone" => "Europe/Berlin",
        "alerts.command" => r#"["tell", "me"]"#,
        "retention.hold" => r#"["2-abc"]"#,
        "sync.inbox" => "probe",
        "api.proxy" => "http://proxy.example:3128",
        "alerts.ping_url" => "https://hc.example/ping/1",
        "api.ca_file" | "archive.path" | "metrics.textfile" | "api.api_key" | "api.api_key_file" => "0123456",
        "lake.path" => "s3://bucket/lake",
        "lake.endpoint" => "http://127.0.0.1:9000",
        "api.in_flight_per_account" => "2",
        _ => "10",
    };
    let paths = KEYS.keys().filter(|path| path.contains('.') && !path.contains('['));
    let paths = paths.filter(|path| cfg!(feature = "lake") || *path != "lake.path");
    paths.map(move |path| (path.clone(), value(path)))
}

#[test]
fn every_key_outside_accounts_can_be_set_by_its_variable() {
    for (path, value) in keys_with_values() {
        let name = format!("ARCHIVER_{}", path.replace('.', "__").to_uppercase());
        let loaded = TestDir::with("").load(&[(&name, value)]);
        assert!(loaded.is_ok(), "{path}: {}", loaded.unwrap_err());
    }
    let config = TestDir::with("").load(&[("ARCHIVER_API__RETRY_BASE_SECS", "0.25")]).unwrap();
    assert_eq!(config.api.backoff().base, Duration::from_millis(250));
    let config = TestDir::with("").load(&[("ARCHIVER_API__RETRIES", " 03 ")]).unwrap();
    assert_eq!(config.api.retries, 3);
}

#[test]
fn a_key_of_digits_arrives_as_it_was_written() {
    for key in ["0123456", "1e5", "true"] {
        assert_eq!(
            TestDir::with(ACCOUNT)
                .secrets(&[("ARCHIVER_API_KEY", key), ("ARCHIVER_LOGIN_TOKEN", "t")])
                .unwrap()
                .0,
            key
        );
        let vars = [("ARCHIVER_API__API_KEY", key), ("ARCHIVER_LOGIN_TOKEN", "t")];
        assert_eq!(TestDir::with(ACCOUNT).secrets(&vars).unwrap().0, key);
    }
}

#[test]
fn unknown_keys_are_refused_by_file_line_path_and_nearest_name() {
    let text = "[api]\ntimeout_sec = 3\n[budgt]\nx = 1\n[[accounts]]\nname = 'a'\ncontry = 'FR'\nprofiles = [{ url = 'a', nme = 'b' }]\n";
    let place = TestDir::with(text);
    let file = place.path().join("archiver.toml").display().to_string();
    let error = place.load(&[]).unwrap_err();
    let shown: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            format!("{file}:2: api.timeout_sec: unknown key; did you mean `timeout_secs`?"),
            format!("{file}:3: budgt: unknown key; did you mean `budget`?"),
            format!("{file}:7: accounts[0].contry: unknown key; did you mean `country`?"),
            format!("{file}:8: accounts[0].profiles[0].nme: unknown key; did you mean `name`?"),
        ]
    );
}

#[test]
fn a_key_in_the_wrong_section_is_suggested_by_its_path() {
    assert!(error_of("[api]\ntimezone = 'UTC'").ends_with("unknown key; did you mean `schedule.timezone`?"));
    assert!(error_of("credits_per_day = 3").ends_with("unknown key; did you mean `budget.credits_per_day`?"));
    assert!(error_of("[api]\nwxyz = 'red'").ends_with("api.wxyz: unknown key"));
}

#[test]
fn unknown_variables_are_refused_with_the_nearest_name() {
    for (name, near) in [
        ("ARCHIVER_BUDGT__CREDITS_PER_RUN", "ARCHIVER_BUDGET__CREDITS_PER_"),
        ("ARCHIVER_BUDGET_CREDITS_PER_RUN", "ARCHIVER_BUDGET__CREDITS_PER_RUN"),
        ("ARCHIVER__API__KEY", "ARCHIVER_API"),
        ("ARCHIVER_APIKEY", "ARCHIVER_API_KEY"),
        ("ARCHIVER_LOG", "ARCHIVER_LOG_"),
        ("ARCHIVER_API__API_KEY_FIL", "ARCHIVER_API__API_KEY_FILE"),
    ] {
        let error = TestDir::with("").load(&[(name, "MARKER")]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("${name}: unknown variable; did you mean {near}")), "{error}");
        assert!(!error.contains("MARKER"));
    }
}

#[test]
fn variables_that_are_no_keys_do_not_disturb() {
    let vars = [
        ("ARCHIVER_LOG_LEVEL", "debug"),
        ("ARCHIVER_LOG_FORMAT", "json"),
        ("ARCHIVER_BUDGET__CREDITS_PER_RUN", ""),
        ("ARCHIVER_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("ARCHIVER_SERVICE_HOST", "10.0.0.1"),
        ("ARCHIVER_ALERT_KIND", "account"),
        ("ARCHIVERX", "1"),
    ];
    assert_eq!(TestDir::with("").load(&vars).unwrap().budget.credits_per_run, Some(50));
}

#[test]
fn every_wrong_value_names_file_key_and_value_all_at_once() {
    let wrong = [
        ("api", "base_url = \"http://example.com\"", "must be https"),
        ("api", "version = \"v3\"", "must be one of: v1, v2"),
        ("api", "timeout_secs = 0", "must be from 1 to 600"),
        ("api", "requests_per_minute = 60001", "must be from 1 to 60000"),
        ("api", "retries = \"3\"", "must be a whole number from 0 to 10, not a string"),
        ("api", "retry_base_secs = -1", "must be from 0 to 3600"),
        ("api", "retry_max_secs = nan", "must be from 0 to 86400"),
        ("archive", "path = \"\"", "must not be empty"),
        ("budget", "credits_per_run = -1", "must be from 0 to 4294967295"),
        ("budget", "credits_per_day = 1.9", "must be a whole number from 0 to 4294967295"),
        ("budget", "credits_per_month = 99999999999999999999", "must be from 0 to 4294967295"),
        ("schedule", "cron = \"0 0 0 30 2 *\"", "never occurs"),
        (
            "schedule",
            "timezone = \"Europe/Berln\"",
            "is not an IANA time zone name; did you mean \"Europe/Berlin\"?",
        ),
        ("schedule", "run_at_start = 1", "must be true or false, not a number"),
        ("sync", "page_size = 55", "must be a multiple of 10; the nearest are 50 and 60"),
        ("sync", "inbox = \"on\"", "must be one of: discover, probe, off"),
    ];
    let (mut text, mut expected) = (String::new(), Vec::new());
    for (section, line, message) in wrong {
        if !text.contains(&format!("[{section}]")) {
            text.push_str(&format!("[{section}]\n"));
        }
        text.push_str(&format!("{line}\n"));
        expected.push(format!("archiver.toml:{}: {section}.{line}: {message}", text.lines().count()));
    }
    let error = TestDir::with(&text).load(&[]).unwrap_err();
    assert_eq!(error.problems().len(), wrong.len(), "{error}");
    for (problem, expected) in error.problems().iter().zip(expected) {
        assert!(problem.to_string().contains(&expected), "{problem}\n{expected}");
    }
}

#[test]
fn a_wrong_variable_is_named_too() {
    let vars = [("ARCHIVER_API__TIMEOUT_SECS", "soon"), ("ARCHIVER_SCHEDULE__RUN_AT_START", "yes")];
    let error = TestDir::with("[api]\nretries = 99").load(&vars).unwrap_err();
    let shown: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    assert!(shown[0].contains("archiver.toml:2: api.retries = 99"), "{shown:?}");
    assert!(
        shown[1].starts_with("$ARCHIVER_API__TIMEOUT_SECS: api.timeout_secs = \"soon\": must be a whole")
    );
    assert!(
        shown[2]
            .starts_with("$ARCHIVER_SCHEDULE__RUN_AT_START: schedule.run_at_start = \"yes\": must be true")
    );
}

#[test]
fn accounts_are_checked_one_by_one() {
    for (text, message) in [
        ("accounts = 3", "accounts: must be a list of tables, each begun by [[accounts]], not a number"),
        ("[accounts]\nname = 'a'", "accounts: must be a list"),
        ("accounts = ['me']", "accounts[0]: must be a table, not a string"),
        ("[[accounts]]", "accounts[0].name: is missing"),
        ("[[accounts]]\nname = ' '", "accounts[0].name = \" \": must not be empty"),
        ("[[accounts]]\nname = 'a/b'", "accounts[0].name = \"a/b\": must have at most 64"),
        ("[[accounts]]\nname = 'a'\n[[accounts]]\nname = 'A'", "accounts[1].name = \"A\": another account"),
    ] {
        let error = error_of(text);
        assert!(error.contains(message), "{error}\n{message}");
    }
    for (line, message) in [
        ("country = 'France'", "country = \"France\": must be a two-letter country"),
        ("profiles = 'ada'", "profiles: must be a list in brackets"),
        ("profiles = ['a b']", "profiles[0] = \"a b\": is neither a page"),
        ("profiles = [{ name = 'x' }]", "profiles[0].url: is missing"),
        ("conversations = ['x']", "conversations[0] = \"x\": is neither"),
        ("conversations = [1]", "conversations[0]: must be a string or a table"),
        ("owner_name = 1", "owner_name: must be a string in quotes, not a number"),
        ("credits_per_day = 'MARKER'", "credits_per_day: must be a whole number from 0 to"),
    ] {
        let error = error_of(&format!("{ACCOUNT}{line}"));
        assert!(error.contains(&format!("archiver.toml:3: accounts[0].{message}")), "{error}\n{message}");
    }
}

#[test]
fn accounts_are_read_with_their_targets_brought_to_one_form() {
    let text = r#"
        [[accounts]]
        name = "me"
        country = "de"
        owner_name = "Ada Example"
        profiles = ["https://linkedin.com/in/ada/", { url = "bela", name = "Béla" }, "ada"]
        conversations = ["2-OTFj==", { id = "2-MTc0", name = "Group" }, "2-OTFj"]
        [[accounts]]
        name = "work"
        country = "SE"
    "#;
    let config = TestDir::with(text).load(&[]).unwrap();
    let me = &config.accounts[0];
    assert_eq!((me.country.as_str(), me.owner_name.as_deref()), ("DE", Some("Ada Example")));
    let profiles: Vec<_> = me.profiles.iter().map(|p| (p.url.as_str(), p.name.as_deref())).collect();
    assert_eq!(
        profiles,
        [("https://www.linkedin.com/in/ada/", None), ("https://www.linkedin.com/in/bela/", Some("Béla")),]
    );
    let conversations: Vec<_> = me.conversations.iter().map(|c| (c.id.as_str(), c.name.as_deref())).collect();
    assert_eq!(conversations, [("2-OTFj==", None), ("2-MTc0", Some("Group"))]);
    let warnings = config.warnings.join("\n");
    assert!(warnings.contains("profiles[2]: https://www.linkedin.com/in/ada/ is listed twice"), "{warnings}");
    assert!(warnings.contains("accounts[1].country = \"SE\": not one of the countries"), "{warnings}");
    assert_eq!(config.warnings.len(), 3);
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let place = TestDir::empty();
    place.put("sub/my.toml", "[archive]\npath = 'data/a.db'\n");
    let flags = Flags { config: Some("sub/my.toml".into()), budget: None };
    let config = place.load_with(&[], &flags).unwrap();
    assert_eq!(config.archive.path, place.path().join("sub/data/a.db"));
    assert_eq!(config.source, Some(place.path().join("sub/my.toml")));
    let config = TestDir::with("[archive]\npath = '~/a.db'").load(&[("HOME", "/users/ada")]).unwrap();
    assert_eq!(config.archive.path, Path::new("/users/ada/a.db"));
}

#[test]
fn a_renamed_key_still_works_and_the_warning_names_the_new_one() {
    let text = "[attention]\ncommand = ['tell']\n[sync]\nunlisted_max_runs = 7\n[[accounts]]\nname = 'a'\nown_name = 'Ada'\n";
    let place = TestDir::with(text);
    let config = place.load(&[]).unwrap();
    assert_eq!((config.alerts.command.len(), config.sync.max_runs_between_polls), (1, 7));
    assert_eq!(config.accounts[0].owner_name.as_deref(), Some("Ada"));
    let file = place.path().join("archiver.toml").display().to_string();
    assert_eq!(
        config.warnings,
        [
            format!("{file}:1: attention is deprecated: use alerts"),
            format!("{file}:4: sync.unlisted_max_runs is deprecated: use max_runs_between_polls"),
            format!("{file}:7: accounts[0].own_name is deprecated: use owner_name"),
        ]
    );
    let old = [("ARCHIVER_SYNC__UNLISTED_MAX_RUNS", "9"), ("ARCHIVER_ATTENTION__COMMAND", "['a', 'b']")];
    let config = TestDir::with("[sync]\nmax_runs_between_polls = 3").load(&old).unwrap();
    assert_eq!((config.alerts.command.len(), config.sync.max_runs_between_polls), (2, 9));
    assert_eq!(
        config.warnings,
        [
            "$ARCHIVER_ATTENTION__COMMAND is deprecated: use $ARCHIVER_ALERTS__COMMAND",
            "$ARCHIVER_SYNC__UNLISTED_MAX_RUNS is deprecated: use $ARCHIVER_SYNC__MAX_RUNS_BETWEEN_POLLS",
        ]
    );
    // A problem is reported by the new name, at the line of the old one.
    assert!(
        error_of("[sync]\nunlisted_max_runs = 0")
            .contains(":2: sync.max_runs_between_polls = 0: must be from 1")
    );
}

#[test]
fn a_key_by_both_its_names_is_refused() {
    for (text, message) in [
        (
            "[attention]\n[alerts]",
            ":1: attention: is the old name of `alerts`, which is given too: remove it",
        ),
        (
            "[sync]\nunlisted_max_runs = 1\nmax_runs_between_polls = 1",
            ":2: sync.unlisted_max_runs: is the old",
        ),
        (
            "[[accounts]]\nname = 'a'\nown_name = 'a'\nowner_name = 'a'",
            ":3: accounts[0].own_name: is the old",
        ),
    ] {
        let error = error_of(text);
        assert!(error.contains(message), "{error}\n{message}");
    }
    let both = [("ARCHIVER_ALERTS__COMMAND", "['a']"), ("ARCHIVER_ATTENTION__COMMAND", "['a']")];
    let error = TestDir::with("").load(&both).unwrap_err().to_string();
    assert!(
        error.contains("$ARCHIVER_ATTENTION__COMMAND: is the old name of $ARCHIVER_ALERTS__COMMAND"),
        "{error}"
    );
}

#[test]
fn every_value_knows_its_line() {
    let text = "\u{feff}# x\n[api]\nretries = 30\n\n[[accounts]]\nname = 'a'\nprofiles = [\n 'p',\n 'q r']\n";
    let error = error_of(text);
    assert!(
        error.contains("archiver.toml:3: api.retries") && error.contains("archiver.toml:9: accounts"),
        "{error}"
    );
}

#[test]
fn invalid_toml_is_refused_by_line_and_column_without_being_shown() {
    for text in
        ["[api]\napi_key = \"MARKER", "[api]\napi_key = MARKER\n", "[api]\n\"MARKER\n", "[api]\nMARKER\n"]
    {
        let error = error_of(text);
        assert!(error.contains("archiver.toml:2: invalid TOML at column "), "{error}");
        assert!(!error.contains("MARKER"), "{error}");
    }
}

#[test]
fn a_shown_value_is_one_short_line() {
    let error = error_of(&format!("[sync]\ninbox = \"a\\n\\u001b[31m{}\"", "x".repeat(200)));
    assert!(
        error.contains("inbox = \"a\\n\\u{1b}[31m") && error.len() < 300 && !error.contains('\n'),
        "{error}"
    );
}
