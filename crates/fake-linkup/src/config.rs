//! A ready `archiver.toml` that points at a server.

use std::fmt::Write as _;

use crate::server::{Account, Server};

impl Server {
    /// A ready `archiver.toml` that points at this server: `version` v1 or v2, `inbox` discover, probe or off,
    /// `targets` all, some (three an account) or none.
    #[must_use]
    pub fn config_toml(&self, version: &str, inbox: &str, targets: &str) -> String {
        self.toml(version, inbox, targets, &mut |key, _, secret| (key.to_owned(), secret.to_owned()))
    }

    /// The same with each secret in a file of its own beside it: the files' names and what is to be in them.
    #[must_use]
    pub fn config_and_secrets(
        &self,
        version: &str,
        inbox: &str,
        targets: &str,
    ) -> (String, Vec<(String, String)>) {
        let mut files = Vec::new();
        let text = self.toml(version, inbox, targets, &mut |key, of, secret| {
            let name = format!("{key}{of}");
            files.push((name.clone(), secret.to_owned()));
            (format!("{key}_file"), name)
        });
        (text, files)
    }

    fn toml(&self, version: &str, inbox: &str, targets: &str, put: &mut Put<'_>) -> String {
        let mut text = String::from("[api]\n");
        let (key, secret) = put("api_key", "", self.key.as_str());
        for (name, value) in [("base_url", self.base_url.as_str()), ("version", version), (&key, &secret)] {
            line(&mut text, name, &quoted(value));
        }
        line(&mut text, "requests_per_minute", "6000");
        text.push_str("\n[sync]\n");
        line(&mut text, "inbox", &quoted(inbox));
        let limit = match targets {
            "none" => 0,
            "all" => usize::MAX,
            _ => 3,
        };
        let alone = self.accounts.len() == 1;
        for a in &self.accounts {
            let of = if alone { String::new() } else { format!(".{}", a.name) };
            let token = put("login_token", &of, &a.login_token);
            account(&mut text, a, &token, limit);
        }
        text
    }
}

/// Is given a secret's key, what its file's name ends with, and the secret: returns the line's key and value.
type Put<'a> = dyn FnMut(&str, &str, &str) -> (String, String) + 'a;

fn account(text: &mut String, account: &Account, token: &(String, String), limit: usize) {
    text.push_str("\n[[accounts]]\n");
    let fields = [
        ("name", &account.name),
        ("country", &account.country),
        (&token.0, &token.1),
        ("account_id", &account.account_id),
    ];
    for (name, value) in fields {
        line(text, name, &quoted(value));
    }
    // Every second one by its profile, where that leads to it, so that both ways of naming are used.
    let (mut profiles, mut conversations) = (Vec::new(), Vec::new());
    for (i, c) in account.mailbox.conversations().iter().enumerate().take(limit) {
        let url = c.others.first().and_then(|p| p.profile_url.as_deref());
        match url.filter(|url| i % 2 == 0 && account.mailbox.find_profile(url) == Some(i)) {
            Some(url) => profiles.push(quoted(url)),
            None => conversations.push(quoted(&c.urn)),
        }
    }
    line(text, "profiles", &list(&profiles));
    line(text, "conversations", &list(&conversations));
}

fn line(text: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _written = writeln!(text, "{name} = {value}");
}

/// A TOML string: every JSON string is one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "[]".to_owned() } else { format!("[\n  {},\n]", items.join(",\n  ")) }
}
