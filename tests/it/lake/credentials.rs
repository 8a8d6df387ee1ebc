//! Where the credentials, the region and the server come from.

use std::fs;
use std::path::Path;

use archiver::lake::objects::{CloudEnv, ObjectAccess, Objects};
use archiver::lake::storage::Storage as _;

use super::s3::{BUCKET, KEY_ID, REGION, SECRET, Server, TOKEN};

struct Home {
    dir: tempfile::TempDir,
    server: Server,
}

impl Home {
    fn new(config: &str, credentials: &str) -> Self {
        let (dir, server) = (tempfile::tempdir().unwrap(), Server::start());
        let filled = |text: &str| {
            [("ID", KEY_ID), ("SECRET", SECRET), ("TOKEN", TOKEN), ("REGION", REGION), ("URL", &server.url)]
                .iter()
                .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), value))
        };
        fs::create_dir(dir.path().join(".aws")).unwrap();
        for (name, text) in [("config", config), ("credentials", credentials)] {
            fs::write(dir.path().join(".aws").join(name), filled(text)).unwrap();
        }
        Self { dir, server }
    }

    fn open(&self, vars: &[(&str, &str)]) -> Result<Objects, String> {
        self.open_with(vars, ObjectAccess::default())
    }

    fn open_with(&self, vars: &[(&str, &str)], access: ObjectAccess) -> Result<Objects, String> {
        let home = self.dir.path().to_str().unwrap();
        let vars = vars.iter().copied().chain([("HOME", home), ("AWS_EC2_METADATA_DISABLED", "true")]);
        let access = ObjectAccess { env: vars.collect::<CloudEnv>(), ..access };
        let opened = Objects::open(format!("s3://{BUCKET}/lake").as_ref(), &access);
        opened.map_err(|error| {
            let shown = format!("{error:?} {access:?}");
            assert!(![KEY_ID, SECRET, TOKEN].iter().any(|secret| shown.contains(secret)), "{shown}");
            shown
        })
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(".aws").join(name).to_str().unwrap().to_owned()
    }
}

const KEYS: &str =
    "aws_access_key_id = <ID>\naws_secret_access_key = <SECRET>\naws_session_token = <TOKEN>\n";

#[test]
fn the_default_profile_gives_credentials_region_and_server() {
    let config = "[default]\nregion = <REGION>\nendpoint_url = <URL>\n";
    let home = Home::new(config, &format!("[other]\naws_access_key_id = x\n[default]\n{KEYS}"));
    assert_eq!(home.open(&[]).unwrap().get("a").unwrap(), None);
}

#[test]
fn a_profile_is_chosen_by_name_and_may_be_wholly_in_the_configuration() {
    let config = format!("[profile lake]\nregion = <REGION>\nendpoint_url = <URL>\n{KEYS}");
    let home = Home::new(&config, "[default]\naws_access_key_id = x\naws_secret_access_key = y\n");
    home.open(&[("AWS_PROFILE", "lake")]).unwrap();
    let error = home.open(&[("AWS_PROFILE", "lkae")]).unwrap_err();
    assert!(error.contains("there is no profile") && error.contains("lkae"), "{error}");
}

#[test]
fn files_may_be_elsewhere() {
    let home = Home::new("", "");
    let text = format!("[default]\n{KEYS}").replace("<ID>", KEY_ID).replace("<SECRET>", SECRET);
    fs::write(home.path("mine"), text.replace("<TOKEN>", TOKEN)).unwrap();
    fs::write(home.path("conf"), format!("[default]\nregion={REGION}\nendpoint_url={}", home.server.url))
        .unwrap();
    let (credentials, config) = (home.path("mine"), home.path("conf"));
    home.open(&[("AWS_SHARED_CREDENTIALS_FILE", &credentials), ("AWS_CONFIG_FILE", &config)]).unwrap();
    home.open(&[("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/mine"), ("AWS_CONFIG_FILE", "~/.aws/conf")]).unwrap();
}

#[test]
fn the_environment_goes_before_the_profile_and_the_configuration_before_both() {
    let config = "[default]\nregion = nowhere\nendpoint_url = http://127.0.0.1:1\n";
    let home = Home::new(config, "[default]\naws_access_key_id = x\naws_secret_access_key = y\n");
    let keys = [("AWS_ACCESS_KEY_ID", KEY_ID), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let url = home.server.url.as_str();
    let env = [keys[0], keys[1], ("AWS_DEFAULT_REGION", REGION), ("AWS_ENDPOINT_URL", url)];
    home.open(&env).unwrap();
    let env =
        [&env[..], &[("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("AWS_ENDPOINT_URL_S3", url)]].concat();
    home.open(&env).unwrap();
    let own = ObjectAccess {
        region: Some(REGION.to_owned()),
        endpoint: Some(url.to_owned()),
        ..ObjectAccess::default()
    };
    let env = [keys[0], keys[1], ("AWS_REGION", "wrong"), ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")];
    home.open_with(&env, own).unwrap();
}

#[test]
fn a_profile_that_other_tools_sign_in_with_says_what_to_use_instead() {
    for (line, key) in [
        ("credential_process = /bin/true MARKER", "credential_process"),
        ("sso_session = x", "sso_session"),
        ("role_arn = arn:aws:iam::1:role/x\nsource_profile = y", "role_arn"),
    ] {
        let home = Home::new(&format!("[profile lake]\n{line}\n"), "");
        let error = home.open(&[("AWS_PROFILE", "lake")]).unwrap_err();
        assert!(error.contains(key) && error.contains("aws configure export-credentials"), "{error}");
        assert!(!error.contains("MARKER"), "{error}");
    }
}

#[test]
fn without_credentials_it_is_said_how_to_give_some() {
    let home = Home::new("", "");
    let error = home.open(&[("AWS_ENDPOINT_URL", &home.server.url)]).unwrap_err();
    assert!(error.contains("there are no credentials") && error.contains("AWS_ACCESS_KEY_ID"), "{error}");
    let error = home.open(&[("AWS_ACCESS_KEY_ID", KEY_ID)]).unwrap_err();
    assert!(error.contains("AWS_SECRET_ACCESS_KEY is missing"), "{error}");
    assert_eq!(home.server.count(""), 0);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let home = Home::new("", "");
    fs::remove_file(home.path("credentials")).unwrap();
    fs::create_dir(home.path("credentials")).unwrap();
    let error = home.open(&[]).unwrap_err();
    assert!(error.contains(".aws/credentials cannot be read"), "{error}");
    assert!(Path::new(&home.path("config")).exists());
}
