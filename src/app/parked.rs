//! Which accounts are parked: left alone on schedule, because what was refused is still all that they have.
//!
//! The service, `status` and the metrics all ask here.

use std::collections::BTreeSet;

use crate::config::{AccountConfig, ApiVersion, Config};
use crate::core::hash::fnv1a;
use crate::secret::Secret;
use crate::store::{Alert, Cause};

/// The parked accounts, by their place in the configuration, given what was refused and not been seen to work since.
///
/// The secrets should have been loaded. A credential that is not there to be compared is taken for the refused one.
pub fn parked(refused: &[Alert], config: &Config) -> BTreeSet<usize> {
    let unchanged = |row: &Alert, account| {
        fingerprint(config, account).is_none_or(|fingerprint| fingerprint == row.credential)
    };
    let holds = |row: &Alert, index: usize, account: &AccountConfig| match row.cause {
        Cause::Account => row.account.as_ref() == Some(&account.name) && unchanged(row, Some(index)),
        Cause::Key => unchanged(row, None),
        Cause::Credits => false,
    };
    let accounts = config.accounts.iter().enumerate();
    let parked = accounts.filter(|(index, account)| refused.iter().any(|row| holds(row, *index, account)));
    parked.map(|(index, _)| index).collect()
}

/// Tells the credential of an account, or the API key, from another one: 32 bits of a hash, which give nothing away, and
/// when its files were last changed, because a login to an account of v2 writes the same id again. `None` where the
/// credential has not been loaded.
pub fn fingerprint(config: &Config, account: Option<usize>) -> Option<String> {
    let (key, key_changed) = (config.api.api_key.as_ref(), config.api.api_key_changed_ms);
    let (id, secret, changed) = match account.and_then(|index| config.accounts.get(index)) {
        Some(account) if config.api.version == ApiVersion::V1 => {
            (account.name.as_str(), account.login_token.as_ref(), [account.credential_changed_ms, None])
        }
        Some(account) => (account.account_id.as_deref()?, key, [key_changed, account.credential_changed_ms]),
        None => ("", key, [key_changed, None]),
    };
    let hash = short_hash([id, secret.map(Secret::expose)?]);
    Some(changed.iter().flatten().fold(format!("{hash:08x}"), |mark, ms| format!("{mark} {ms}")))
}

/// The hash, folded to 32 bits.
fn short_hash(parts: [&str; 2]) -> u64 {
    let hash = fnv1a(parts.iter().flat_map(|part| part.bytes().chain([0])));
    (hash >> 32) ^ (hash & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Two accounts of this version of the API, with this key and these tokens or ids.
    fn config(version: &str, key: &str, credentials: [&str; 2]) -> Config {
        let credential = if version == "v1" { "login_token" } else { "account_id" };
        let accounts: String = ["me", "work"]
            .iter()
            .zip(credentials)
            .map(|(name, text)| format!("[[accounts]]\nname = {name:?}\n{credential} = {text:?}\n"))
            .collect();
        let text = format!("[api]\nversion = {version:?}\napi_key = {key:?}\n{accounts}");
        let mut config = Config::parse(&text, Path::new("/nowhere/archiver.toml")).unwrap();
        config.load_secrets().unwrap();
        config
    }

    /// What is stored when this was refused with this configuration.
    fn refused(config: &Config, cause: Cause, account: Option<usize>) -> Alert {
        Alert {
            account: account.map(|index| config.accounts[index].name.clone()),
            cause,
            since_ms: 0,
            message: "no".to_owned(),
            credential: fingerprint(config, account).unwrap(),
        }
    }

    #[test]
    fn an_account_is_parked_while_its_refused_credential_is_unchanged() {
        for version in ["v1", "v2"] {
            let before = config(version, "key-1", ["credential-1", "credential-2"]);
            let rows = [refused(&before, Cause::Account, Some(1))];
            assert_eq!(parked(&rows, &before), BTreeSet::from([1]), "{version}");
            let renewed = config(version, "key-1", ["credential-1", "credential-3"]);
            assert_eq!(parked(&rows, &renewed), BTreeSet::new(), "{version}");
            let other_renewed = config(version, "key-1", ["credential-4", "credential-2"]);
            assert_eq!(parked(&rows, &other_renewed), BTreeSet::from([1]), "{version}");
        }
    }

    #[test]
    fn a_refused_key_parks_every_account_until_it_is_replaced() {
        let before = config("v1", "key-1", ["a", "b"]);
        let rows = [refused(&before, Cause::Key, None)];
        assert_eq!(parked(&rows, &before), BTreeSet::from([0, 1]));
        assert_eq!(parked(&rows, &config("v1", "key-2", ["a", "b"])), BTreeSet::new());
    }

    #[test]
    fn a_balance_that_is_used_up_parks_nobody() {
        let config = config("v1", "key-1", ["a", "b"]);
        assert_eq!(parked(&[refused(&config, Cause::Credits, None)], &config), BTreeSet::new());
    }

    #[test]
    fn a_credential_that_cannot_be_read_is_taken_for_the_refused_one() {
        let before = config("v1", "key-1", ["a", "b"]);
        let rows = [refused(&before, Cause::Account, Some(0))];
        let text = "[[accounts]]\nname = \"me\"\n[[accounts]]\nname = \"work\"\n";
        let unread = Config::parse(text, Path::new("/nowhere/archiver.toml")).unwrap();
        assert_eq!(fingerprint(&unread, Some(0)), None);
        assert_eq!(parked(&rows, &unread), BTreeSet::from([0]));
    }

    #[test]
    fn a_file_that_is_written_again_is_another_credential() {
        let before = config("v1", "key-1", ["a", "b"]);
        let rows = [refused(&before, Cause::Account, Some(0))];
        let mut after = config("v1", "key-1", ["a", "b"]);
        after.accounts[0].credential_changed_ms = Some(1_700_000_000_000);
        assert_eq!(parked(&rows, &after), BTreeSet::new());
    }

    #[test]
    fn hashes_differ_and_hold_32_bits() {
        let hashes: BTreeSet<u64> =
            [["me", "a"], ["me", "b"], ["mea", ""], ["", "a"]].into_iter().map(short_hash).collect();
        assert_eq!(hashes.len(), 4);
        assert!(hashes.iter().all(|hash| *hash <= 0xffff_ffff));
    }
}
