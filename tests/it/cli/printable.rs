//! Names and texts of strangers, wherever they are written: nothing acts on the terminal, nothing hides, nothing forges a
//! line.

use fake_linkup::{Author, Fault, FaultRule};

use super::terminal::at_terminal;
use crate::binary::{FakeApi, HOUR, Home, START, server};

/// Sets the clipboard, moves the cursor, begins a line of its own, and hides letters between those that are seen.
const EVIL: &str = "Eve\u{1b}]52;c;eA==\u{7}\nforged\u{200b}\u{ad}\u{e0041}\u{200f} Mal\u{1b}[2Jlory";

fn evil() -> (FakeApi, Home) {
    let api = FakeApi::serve(server(&[("Mallory Muster", 12), ("Ada Example", 3)]));
    let home = Home::of(&api, "v1");
    {
        let mut server = api.server();
        let mailbox = server.mailbox_mut(0).unwrap();
        mailbox.send(0, Author::Other(0), START + 90 * HOUR, EVIL).unwrap();
        let other = &mut mailbox.conversation_mut(0).unwrap().others[0];
        (other.name, other.first_name) = (EVIL.to_owned(), EVIL.to_owned());
    }
    (api, home)
}

/// What is left of a terminal's output without this program's own colours, and without what erases its progress line.
fn without_own(shown: &str) -> String {
    let own = [
        "\u{1b}[0m",
        "\u{1b}[1m",
        "\u{1b}[2m",
        "\u{1b}[3m",
        "\u{1b}[31m",
        "\u{1b}[32m",
        "\u{1b}[33m",
        "\u{1b}[2K",
        "\u{1b}[1A",
        "\u{1b}[1B",
    ];
    own.iter().fold(shown.to_owned(), |shown, code| shown.replace(code, ""))
}

#[track_caller]
fn is_harmless(what: &str, shown: &str) {
    let bad = |c: &char| {
        (c.is_control() && !"\r\n".contains(*c))
            || matches!(*c, '\u{200b}' | '\u{ad}' | '\u{e0041}' | '\u{200f}')
    };
    assert_eq!(shown.chars().find(bad), None, "{what}: {shown:?}");
    let forged = shown.split(['\n', '\r']).find(|line| line.trim_start().starts_with("forged"));
    // A message may have lines, which `show` indents.
    assert!(forged.is_none_or(|line| line.starts_with("    ")), "{what}: {shown:?}");
}

#[test]
fn on_a_terminal_strangers_can_neither_act_nor_hide_nor_forge_a_line() {
    let (api, mut home) = evil();
    home.env("PAGER", "cat");
    home.env("TERM", "xterm");
    api.server().faults.add(FaultRule::once(Fault::http(500)));
    let commands: &[&[&str]] = &[
        &["sync", "--once", "--dry-run"],
        &["sync", "--once", "--budget", "2"],
        &["status"],
        &["plan"],
        &["sync", "--once"],
        &["search", "forged"],
        &["show", "mal"],
        &["people"],
        &["stats"],
        &["verify"],
        &["search", "--json", "forged"],
        &["show", "mal", "--raw"],
        &["sql", "SELECT conversation, text FROM message_log"],
        &["sql", "--csv", "SELECT replace(conversation, char(10), '') FROM message_log"],
    ];
    for args in commands {
        let (shown, _) = at_terminal(&home, args, &[]);
        is_harmless(&args.join(" "), &without_own(&shown));
    }
}

#[test]
fn in_a_file_and_in_the_log_it_is_the_same() {
    let (api, home) = evil();
    api.server().faults.add(FaultRule::always(Fault::http(500)));
    let ran = home.run(&["sync", "--once", "--log-level", "debug"]).expect(69);
    assert!(ran.stderr.contains("lory") && ran.stdout.contains("lory"), "{ran:?}");
    is_harmless("the log", &ran.stderr);
    is_harmless("the report", &ran.stdout);
    let ran = home.run(&["show", "e"]).expect(2);
    is_harmless("an error", &ran.stderr);
}
