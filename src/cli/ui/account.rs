//! Which of the configured accounts a command is about.

use crate::error::Failure;

/// The account of this name, or the only one; `unless` says what to do if none is configured.
pub(crate) fn choose<'a, T>(
    accounts: &'a [T],
    name_of: fn(&T) -> &str,
    name: Option<&str>,
    unless: &str,
) -> Result<(usize, &'a T), Failure> {
    let names = accounts.iter().map(|a| format!("{:?}", name_of(a))).collect::<Vec<_>>().join(", ");
    let usage = |message: String, help: String| Err(Failure::usage(message, help));
    match (accounts, name) {
        ([], _) => usage("no account is configured".to_owned(), unless.to_owned()),
        ([only], None) => Ok((0, only)),
        (_, None) => {
            usage("several accounts are configured".to_owned(), format!("add --account with one of: {names}"))
        }
        (_, Some(name)) => {
            let is_it = |(_, account): &(usize, &T)| name_of(account).to_lowercase() == name.to_lowercase();
            let none = || usage(format!("no account is called {name:?}"), format!("configured: {names}"));
            accounts.iter().enumerate().find(is_it).map_or_else(none, Ok)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_must_be_named_only_if_there_are_several() {
        let chosen = |names: &[&'static str], name| {
            choose(names, |name| name, name, "add one").map(|(index, name)| (index, *name))
        };
        assert_eq!(chosen(&["me"], None).unwrap(), (0, "me"));
        assert_eq!(chosen(&["me", "firm"], Some("Firm")).unwrap(), (1, "firm"));
        for (names, name) in [(&["me", "firm"][..], None), (&["me"], Some("you")), (&[], None)] {
            let failure = chosen(names, name).unwrap_err();
            assert_eq!(failure.exit_code(), 2, "{failure}");
        }
    }
}
