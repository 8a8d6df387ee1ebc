//! Secrets: where they come from, who needs them, and that they are never said.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::super::*;
use super::{ACCOUNT, TestDir};

#[test]
fn each_source_of_a_secret_beats_the_next() {
    let place = TestDir::with(&format!("[api]\napi_key = 'inline'\n{ACCOUNT}login_token = 'inline'\n"));
    assert_eq!(place.secrets(&[]), Ok(("inline".into(), "inline".into())));

    place.put("k", " file \n");
    let text = format!(
        "[api]\napi_key_file = 'k'\napi_key = 'inline'\n{ACCOUNT}login_token_file = 'k'\nlogin_token = 'inline'\n"
    );
    place.put("archiver.toml", &text);
    assert_eq!(place.secrets(&[]), Ok(("file".into(), "file".into())));
    let mut config = place.load(&[]).unwrap();
    assert_eq!(config.warnings, [] as [&str; 0], "whoever needs no secret is told nothing of them");
    config.load_secrets().unwrap();
    let warnings = config.warnings.join("\n");
    assert!(warnings.contains("api.api_key is not used") && warnings.contains("login_token is not used"));

    place.put("creds/api_key", "credential\n");
    place.put("creds/login_token", "credential\n");
    let creds = place.path().join("creds").display().to_string();
    let directory = ("CREDENTIALS_DIRECTORY", creds.as_str());
    assert_eq!(place.secrets(&[directory]), Ok(("credential".into(), "credential".into())));

    place.put("creds/login_token.me", "credential-of-me\n");
    assert_eq!(place.secrets(&[directory]).unwrap().1, "credential-of-me");

    let file = [directory, ("ARCHIVER_API__API_KEY_FILE", "k")];
    assert_eq!(place.secrets(&file).unwrap().0, "file");
    let key = [file[0], file[1], ("ARCHIVER_API__API_KEY", "by path")];
    assert!(place.secrets(&key).unwrap_err().contains("holds white space"));
    let key = [file[0], file[1], ("ARCHIVER_API__API_KEY", "by-path")];
    assert_eq!(place.secrets(&key).unwrap().0, "by-path");
    let own = [key[0], key[1], key[2], ("ARCHIVER_API_KEY", "own"), ("ARCHIVER_LOGIN_TOKEN", "own")];
    assert_eq!(place.secrets(&own), Ok(("own".into(), "own".into())));
}

#[test]
fn a_blank_credential_is_none() {
    let place = TestDir::with(&format!("[api]\napi_key_file = 'k'\n{ACCOUNT}"));
    place.put("creds/api_key", "\n");
    place.put("creds/login_token.me", "");
    place.put("creds/login_token", "credential\n");
    let creds = place.path().join("creds").display().to_string();
    let directory = [("CREDENTIALS_DIRECTORY", creds.as_str())];
    let error = place.secrets(&directory).unwrap_err();
    assert!(error.contains("api.api_key_file: cannot read") && !error.contains("login_token"), "{error}");
    place.put("k", "file");
    assert_eq!(place.secrets(&directory), Ok(("file".into(), "credential".into())));
}

#[test]
fn files_of_the_default_names_are_found_beside_the_configuration() {
    let place = TestDir::with(ACCOUNT);
    let error = place.secrets(&[]).unwrap_err();
    assert!(
        error.contains("api.api_key: is missing") && error.contains("accounts[0].login_token: is missing"),
        "{error}"
    );
    place.put("api_key", "k");
    place.put("login_token", "t");
    assert_eq!(place.secrets(&[]), Ok(("k".into(), "t".into())));
    // With two accounts nobody knows whose token it is.
    place.put("archiver.toml", &format!("{ACCOUNT}[[accounts]]\nname = 'b'\n"));
    let error = place.secrets(&[]).unwrap_err();
    assert!(error.contains("account \"me\"") && error.contains("account \"b\""), "{error}");
    let error = place.secrets(&[("ARCHIVER_LOGIN_TOKEN", "t")]).unwrap_err();
    assert!(error.contains("$ARCHIVER_LOGIN_TOKEN: is for a single account"), "{error}");
}

#[test]
fn secrets_are_asked_for_only_by_whoever_needs_them() {
    let place = TestDir::with("[api]\napi_key_file = 'not-there'\n");
    let mut config = place.load(&[]).unwrap();
    assert!(config.api.api_key.is_none());
    let error = config.load_secrets().unwrap_err().to_string();
    assert!(
        error.contains("api.api_key_file: cannot read") && error.contains("accounts: there is none"),
        "{error}"
    );
}

#[test]
fn v2_wants_an_account_id_and_no_token() {
    let place = TestDir::with(&format!("[api]\nversion = 'v2'\napi_key = 'k'\n{ACCOUNT}"));
    assert!(
        place.secrets(&[]).unwrap_err().contains("accounts[0].account_id: is missing for account \"me\"")
    );
    place.put(
        "archiver.toml",
        &format!("[api]\nversion = 'v2'\napi_key = 'k'\n{ACCOUNT}account_id = '69c1'\n"),
    );
    assert_eq!(place.secrets(&[]), Ok(("k".into(), String::new())));
}

#[test]
fn files_that_hold_no_secret_are_refused() {
    let place = TestDir::with(&format!("[api]\napi_key_file = 'k'\n{ACCOUNT}login_token = 't'\n"));
    place.put("k", " \n");
    assert!(place.secrets(&[]).unwrap_err().contains("is empty"));
    place.put("k", "two words");
    assert!(place.secrets(&[]).unwrap_err().contains("holds white space"));
    place.put("k", &"x".repeat(70_000));
    assert!(place.secrets(&[]).unwrap_err().contains("is too long"));
    fs::write(place.path().join("k"), [0xff, 0xfe]).unwrap();
    assert!(place.secrets(&[]).unwrap_err().contains("is not text"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_secret_and_quotes_are_refused_naming_the_file() {
    let place = TestDir::with(&format!("[api]\napi_key_file = 'k'\n{ACCOUNT}login_token = 't'\n"));
    place.put("k", "\u{feff}key\r\n");
    assert_eq!(place.secrets(&[]).unwrap().0, "key");
    let file = place.path().join("k").display().to_string();
    for quoted in ["\"MARKER\"\n", "'MARKER'", "`MARKER`", "\u{201c}MARKER\u{201d}"] {
        place.put("k", quoted);
        let error = place.secrets(&[]).unwrap_err();
        assert!(error.contains(&format!("{file} holds quotes around the key")), "{error}");
        assert!(!error.contains("MARKER"), "{error}");
    }
    place.put("k", "MARKER MARKER");
    let error = place.secrets(&[]).unwrap_err();
    assert!(error.contains(&format!("{file} holds white space")) && !error.contains("MARKER"), "{error}");
    let error = place.secrets(&[("ARCHIVER_API_KEY", "\"MARKER\"")]).unwrap_err();
    assert!(error.contains("$ARCHIVER_API_KEY: api.api_key: holds quotes"), "{error}");
}

#[test]
fn a_missing_secret_names_the_file_that_was_looked_for() {
    let place = TestDir::with(ACCOUNT);
    let error = place.secrets(&[]).unwrap_err();
    for name in ["api_key", "login_token"] {
        let file = place.path().join(name).display().to_string();
        assert!(error.contains(&format!("(there is no file {file})")), "{error}");
    }
}

#[test]
fn only_regular_files_of_a_sensible_size_are_read() {
    let place = TestDir::with(&format!("[api]\napi_key_file = 'k'\n{ACCOUNT}login_token = 't'\n"));
    let pipe = place.path().join("k");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    assert!(place.secrets(&[]).unwrap_err().contains("k: it is not a regular file"));
    for path in [pipe.as_path(), std::path::Path::new("/dev/zero"), place.path()] {
        let flags = Flags { config: Some(path.to_owned()), budget: None };
        let error = place.load_with(&[], &flags).unwrap_err().to_string();
        assert!(error.contains("cannot be read: it is not a regular file"), "{error}");
    }
    let huge = place.path().join("huge.toml");
    fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    let error = place.load_with(&[("ARCHIVER_CONFIG", huge.to_str().unwrap())], &Flags::default());
    assert!(error.unwrap_err().to_string().contains("it is too long"));
}

#[test]
fn a_configuration_that_nobody_named_must_be_ones_own() {
    let place = TestDir::with(ACCOUNT);
    let path = place.path().join("archiver.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let error = place.load(&[]).unwrap_err().to_string();
    assert!(error.contains("archiver.toml: cannot be read: other users can write to it"), "{error}");
    assert!(error.contains("--config"), "{error}");
    // Whoever names it is obeyed.
    assert!(place.load(&[("ARCHIVER_CONFIG", "archiver.toml")]).is_ok());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(place.load(&[]).is_ok());
    // Only root can give a file away.
    if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
        let error = place.load(&[]).unwrap_err().to_string();
        assert!(error.contains("it belongs to another user (uid 65534)"), "{error}");
        assert!(place.load(&[("ARCHIVER_CONFIG", "archiver.toml")]).is_ok());
        let other = place.path().join("other.toml");
        fs::rename(&path, &other).unwrap();
        std::os::unix::fs::chown(&other, Some(0), None).unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert!(place.load(&[]).is_ok());
        std::os::unix::fs::lchown(&path, Some(65_534), None).unwrap();
        assert!(place.load(&[]).unwrap_err().to_string().contains("belongs to another user"));
    }
}

#[test]
fn secrets_that_others_can_read_are_warned_of() {
    let place = TestDir::with(&format!("[api]\napi_key = 'k'\n{ACCOUNT}login_token_file = 't'\n"));
    place.put("t", "t");
    let warnings = |place: &TestDir| {
        let mut config = place.load(&[]).unwrap();
        config.load_secrets().unwrap();
        config.warnings
    };
    let closed = warnings(&place);
    assert_eq!(closed.len(), 1);
    assert!(
        closed[0].contains("archiver.toml:2: api.api_key is a secret in the configuration itself: move it")
    );
    for name in ["archiver.toml", "t"] {
        fs::set_permissions(place.path().join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let open = warnings(&place);
    assert_eq!(open.len(), 2);
    assert!(open[0].contains("itself, which others can read: move"), "{}", open[0]);
    assert!(open[1].contains("t holds a secret and others can read it: chmod 600"), "{}", open[1]);
}

/// Ways to write a secret into a configuration that is wrong elsewhere or there.
fn spoilt() -> impl Strategy<Value = String> {
    let place = prop_oneof![
        Just("[api]\napi_key = \"S\""),
        Just("[api]\napi_key = \"S"),
        Just("[api]\napi_key = S"),
        Just("[api]\napi_key = [\"S\"]"),
        Just("[api]\napi_key = { S = \"S\" }"),
        Just("[api]\napi_key = \"S\"\napi_key = \"S\""),
        Just("[api]\napi_key = \"S S\""),
        Just("[api]\napi_key = '''\nS"),
        Just("[api]\napi_key = \"\\S\""),
        Just("[api]\napi_key_file = \"S\""),
        Just("[api]\napi_kee = \"S\""),
        Just("[api]\nS"),
        Just("[api]\nS = \"\""),
        Just("S = 1"),
        Just("[[accounts]]\nS = 1"),
        Just("api = \"S\""),
        Just("api_key = \"S\""),
        Just("[api]\nbase_url = \"https://u:S@example.com\""),
        Just("[api]\nbase_url = \"htps:/u:S@example.com\""),
        Just("[[accounts]]\nname = 'a'\nlogin_token = \"S\""),
        Just("[[accounts]]\nname = 'a'\nlogin_token = \"S"),
        Just("[[accounts]]\nname = 'a'\nlogin_token = [\"S\"]"),
        Just("[[accounts]]\nname = 'a'\nlogin_token = \"S\\u0007\""),
        Just("[[accounts]]\nname = 'a'\nlogin_token_file = \"S\""),
        Just("[[accounts]]\nname = 'a'\ntoken = \"S\""),
        Just("[[accounts]]\nlogin_token = \"S\""),
        Just("accounts = \"S\""),
    ];
    let more = prop_oneof![Just(""), Just("\n[sync]\npage_size = 3\n"), Just("\nx"), Just("\n[budgt]\n")];
    (place, more).prop_map(|(place, more)| format!("{place}{more}"))
}

const MARKER: &str = "MARKERsecretMARKERsecret0123456789";

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_is_ever_in_an_error_a_warning_or_a_debug_print(
        text in spoilt(),
        variable in proptest::sample::select(vec![
            "ARCHIVER_API_KEY", "ARCHIVER_LOGIN_TOKEN", "ARCHIVER_API__API_KEY", "ARCHIVER_API__API_KEY_FILE",
            "ARCHIVER_APIKEY", "ARCHIVER_ACCOUNTS", "ARCHIVER_API__RETRIES_", "UNRELATED",
        ]),
        value in proptest::sample::select(vec![
            "S", "S S", "[{ name = 'a', login_token = 'S' }]", "[{ login_token = 'S }]", "S\u{7}",
        ]),
    ) {
        let place = TestDir::with(&text.replace('S', MARKER));
        let env = Env::fixed(place.path(), [(variable, value.replace('S', MARKER).as_str())]);
        let mut said = format!("{env:?}");
        match Config::load(&Flags::default(), &env) {
            Err(error) => said.push_str(&format!("{error} {error:?} {}", error.help())),
            Ok(mut config) => {
                said.push_str(&format!("{config:?}"));
                let loaded = config.load_secrets();
                said.push_str(&format!("{loaded:?} {config:?}"));
                said.extend(loaded.err().map(|error| error.to_string()));
            }
        }
        prop_assert!(!said.contains("MARKER"), "{}", said);
    }
}
