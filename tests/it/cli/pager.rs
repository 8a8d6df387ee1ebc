//! `show` on a terminal is read with a pager, anywhere else it is not.

use fake_linkup::Author;

use super::terminal::at_terminal;
use crate::binary::{FakeApi, HOUR, Home, START, server};

/// Marks every line that went through it.
const MARKING: &str = "sed 's/^/paged: /'";

/// An archive of one conversation, of more text than any pipe holds.
fn home() -> Home {
    let api = FakeApi::serve(server(&[("Ada Example", 2)]));
    {
        let mut server = api.server();
        let mailbox = server.mailbox_mut(0).unwrap();
        for n in 0..150 {
            let text = format!("number {n} {}", "and so on ".repeat(200));
            mailbox.send(0, Author::Owner, START + (50 + n) * HOUR, &text).unwrap();
        }
    }
    let home = Home::of(&api, "v1");
    home.sync_until_complete();
    home
}

#[test]
fn a_conversation_is_paged_on_a_terminal_and_nowhere_else() {
    let mut home = home();
    home.env("PAGER", MARKING);
    let (shown, code) = at_terminal(&home, &["show", "ada"], &[]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.starts_with("paged: ") && shown.contains("number 149"), "{shown}");
    assert!(shown.lines().all(|line| line.starts_with("paged: ")), "{shown}");

    for args in [&["show", "ada", "--no-pager"][..], &["show", "ada", "--json"], &["show", "ada", "--raw"]] {
        let (shown, code) = at_terminal(&home, args, &[]);
        assert_eq!(code, Some(0), "{shown}");
        assert!(shown.contains("number 149") && !shown.contains("paged: "), "{args:?}: {shown}");
    }
    home.env("PAGER", "cat");
    let (shown, code) = at_terminal(&home, &["show", "ada", "--limit", "2"], &[]);
    assert!(code == Some(0) && shown.contains("number 149") && !shown.contains("paged: "), "{shown}");
    home.env("PAGER", MARKING);
    let piped = home.run(&["show", "ada"]).expect(0);
    assert!(piped.stdout.contains("number 149") && !piped.stdout.contains("paged: "));
    assert_eq!(piped.stderr, "");
}

#[test]
fn a_pager_that_its_reader_leaves_early_is_no_failure() {
    let mut home = home();
    home.env("PAGER", "head -n 1");
    let (shown, code) = at_terminal(&home, &["show", "ada"], &[]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("Ada Example") && shown.lines().count() == 1, "{shown}");
    home.env("PAGER", "exit 3");
    let (shown, code) = at_terminal(&home, &["show", "ada"], &[]);
    assert_eq!((shown.as_str(), code), ("", Some(0)));
}

#[test]
fn a_pager_that_is_not_there_is_named() {
    let mut home = home();
    home.env("PAGER", "no-such-pager --at-all");
    let (shown, code) = at_terminal(&home, &["show", "ada"], &[]);
    assert_eq!(code, Some(2), "{shown}");
    assert!(shown.contains("no-such-pager --at-all") && shown.contains("--no-pager"), "{shown}");
}

#[test]
fn ctrl_c_is_for_the_pager_alone() {
    let mut home = home();
    // What a pager does at Ctrl-C is its own affair; this one goes on and reads what is typed next.
    home.env("PAGER", "trap '' INT; cat >/dev/null; echo ready; read word </dev/tty; echo \"got $word\"");
    let (shown, code) =
        at_terminal(&home, &["show", "ada"], &[("ready", "\u{3}"), ("^C", "more\n"), ("got more", "")]);
    assert_eq!(code, Some(0), "{shown}");
}
