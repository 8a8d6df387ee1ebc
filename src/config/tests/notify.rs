//! `[[notify]]`: what each kind of sink needs, and that no complaint holds a secret.

use super::*;

const WEBHOOK: &str = "[[notify]]\nname = \"crm\"\nkind = \"webhook\"\nurl = \"https://example.org/hook\"\nsecret_file = \"hook_secret\"\n";
const EMAIL: &str = "[[notify]]\nname = \"mail\"\nkind = \"email\"\nurl = \"smtps://mail.example.org\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\n";

/// The secret of the tests, of 32 bytes.
const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

#[test]
fn each_kind_of_sink_says_what_it_needs_and_what_is_not_for_it() {
    let with = |text: &str, more: &str| format!("{text}{more}\n");
    let without = |text: &str, key: &str| {
        text.lines().filter(|line| !line.starts_with(key)).map(|line| format!("{line}\n")).collect::<String>()
    };
    for (text, said) in [
        (without(WEBHOOK, "url"), "notify[0].url: is missing: kind = \"webhook\" needs the URL to call"),
        (without(WEBHOOK, "secret"), "notify[0].secret_file: is missing: kind = \"webhook\" needs a file"),
        (without(WEBHOOK, "kind"), "notify[0].kind: is missing"),
        (without(WEBHOOK, "name"), "notify[0].name: is missing"),
        (with(WEBHOOK, "to = [\"x@y.z\"]"), "notify[0].to: is not for kind = \"webhook\": remove it"),
        (with(WEBHOOK, "what = []"), "what: must not be empty"),
        (with(WEBHOOK, "what = [\"nwe\"]"), "must be one of: new, edited, gone, back, alert"),
        (with(WEBHOOK, "query = \"-- ()\""), "query = \"-- ()\": has no words and no filters"),
        (with(WEBHOOK, "query = \"is:purple\""), "\"is:purple\" is not a filter"),
        (with(WEBHOOK, "summary_over = -1"), "summary_over = -1: must be from 0 to 10000"),
        (with(WEBHOOK, "timeout_secs = 0"), "timeout_secs = 0: must be from 1 to 120"),
        (with(WEBHOOK, "secret = \"x\""), "did you mean `secret_file`?"),
        (WEBHOOK.replace("https", "http"), "url: must be https"),
        (WEBHOOK.replace("example.org", "10.0.0.1"), "add private_addresses = true"),
        (
            with(&WEBHOOK.replace("https://example.org", "http://localhost"), "proxy = \"http://p:3128\""),
            "proxy: is not for an http URL",
        ),
        (WEBHOOK.replace("webhook", "webhok"), "must be one of: webhook, command, email"),
        (format!("{WEBHOOK}{WEBHOOK}"), "another sink has this name already"),
        ("[[notify]]\nname = \"x\"\nkind = \"command\"\n".to_owned(), "command: is missing"),
        (without(EMAIL, "from"), "notify[0].from: is missing"),
        (without(EMAIL, "to"), "notify[0].to: is missing"),
        (EMAIL.replace("b@example.org", "nobody"), "to[0] = \"nobody\": must be an address"),
        (EMAIL.replace("smtps", "https"), "url: must be smtps:// and a mail server"),
        (with(EMAIL, "username = \"x\""), "password_file: is missing"),
        (with(EMAIL, "tls = false"), "url: must begin with smtp:// where tls = false"),
        ("notify = 3".to_owned(), "a list of tables, each begun by [[notify]]"),
    ] {
        let error = error_of(&text);
        assert!(error.contains(said), "{text}\n{error}\n{said}");
    }
}

#[test]
fn a_sink_is_told_of_everything_unless_it_says_otherwise() {
    let dir = TestDir::with(&format!("{WEBHOOK}{EMAIL}"));
    let config = dir.load(&[]).unwrap();
    let [crm, mail] = config.sinks.as_slice() else { panic!("{:?}", config.sinks) };
    assert_eq!((crm.what.len(), crm.query.as_deref(), crm.summary_over), (5, None, 100));
    assert_eq!((crm.kind(), mail.kind(), mail.timeout), ("webhook", "email", Duration::from_secs(20)));
    assert!(!format!("{config:?}").contains("example.org/hook"));
    let other = "[{ name = \"x\", kind = \"command\", command = [\"true\"] }]";
    let config = dir.load(&[("ARCHIVER_NOTIFY", other)]).unwrap();
    assert_eq!(config.sinks.iter().map(|sink| sink.name.as_str()).collect::<Vec<_>>(), ["x"]);
}

#[test]
fn a_url_that_may_be_a_secret_is_in_no_complaint() {
    for text in [
        WEBHOOK.replace("https://example.org", "http://example.org/MARKER"),
        WEBHOOK.replace("https://example.org", "MARKER"),
        WEBHOOK.replace("secret_file = \"hook_secret\"", "secret_file = 7 # MARKER"),
        EMAIL.replace("smtps://mail", "smtps://ada:MARKER@mail"),
    ] {
        assert!(!error_of(&text).contains("MARKER"), "{}", error_of(&text));
    }
}

#[test]
fn secrets_are_read_from_a_credential_or_a_file_and_several_are_one_a_line() {
    let dir = TestDir::with(WEBHOOK);
    let read = |vars: &[(&str, &str)]| {
        let mut config = dir.load(vars).unwrap();
        let checked = config.check_sink_secrets().map_err(|error| error.to_string());
        let secrets = config.sinks[0].secrets().unwrap().read();
        checked.map(|()| secrets.unwrap().iter().map(|secret| secret.expose().to_owned()).collect::<Vec<_>>())
    };
    let missing = read(&[]).unwrap_err();
    assert!(
        missing.contains("notify[0].secret_file: cannot read") && missing.contains("hook_secret"),
        "{missing}"
    );
    dir.put("hook_secret", &format!("{SECRET}\n\n  {SECRET} \n"));
    assert_eq!(read(&[]).unwrap(), [SECRET, SECRET]);
    for bad in ["MARKER", "whsec_MARKER", "whsec_c2hvcnQ="] {
        dir.put("hook_secret", bad);
        let error = read(&[]).unwrap_err();
        assert!(error.contains("must hold whsec_") && !error.contains("MARKER"), "{error}");
    }
    let credentials = dir.path().join("credentials");
    dir.put("credentials/notify_secret.crm", SECRET);
    assert_eq!(read(&[("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap())]).unwrap(), [SECRET]);
}
