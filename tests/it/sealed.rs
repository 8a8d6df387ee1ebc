//! `archiver backup --encrypt-to` and `archiver restore --identity`: nothing stands in the clear where it should not, and
//! nothing is replaced by what cannot be read.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::Ordering;

use archiver::store::backup::{BackupError, backup_sealed};
use archiver::store::sealed::Recipients;

use crate::backup::messages;
use crate::bench::{Bench, NOW, item, more_page};
use crate::binary::{FakeApi, Home, Ran, server};

/// A public key of age; the private one is in a file of this name.
fn key(home: &Home, file: &str) -> String {
    let identity = age::x25519::Identity::generate();
    let secret = identity.to_string();
    home.write(file, age::secrecy::ExposeSecret::expose_secret(&secret));
    identity.to_public().to_string()
}

/// Runs the program with all that its log can say: no private key must be in it, or in any other output.
fn run(home: &Home, args: &[&str]) -> Ran {
    let ran = home.run(&[&["--log-level", "trace"], args].concat());
    // The help names how such a key begins.
    let said = format!("{}{}", ran.stdout, ran.stderr).to_uppercase().replace("AGE-SECRET-KEY-1…", "");
    assert!(!said.contains("AGE-SECRET-KEY-1"), "{args:?}");
    ran
}

#[test]
fn an_encrypted_backup_opens_with_each_of_its_keys_and_with_no_other() {
    let api = FakeApi::serve(server(&[("Ada Example", 25)]));
    let home = Home::of(&api, "v2");
    home.sync();
    let (one, two) = (key(&home, "one.key"), key(&home, "two.key"));
    key(&home, "other.key");
    let said = run(&home, &["backup", "copy.db.age", "--encrypt-to", &one, "--encrypt-to", &two, "--json"]);
    let said = said.expect(0).json();
    assert_eq!((&said["encrypted"], &said["messages"]), (&true.into(), &25.into()));
    let sealed = std::fs::read(home.path("copy.db.age")).unwrap();
    assert!(sealed.starts_with(b"age-encryption.org/v1\n"));
    assert!(!sealed.windows(11).any(|bytes| bytes == b"Ada Example"));
    let mode = std::fs::metadata(home.path("copy.db.age")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = messages(&home.path("archive.db"));
    let refused = run(&home, &["restore", "copy.db.age", "--identity", "other.key"]).expect(2);
    assert!(refused.stderr.contains("other.key does not open the backup"), "{refused:?}");
    assert!(run(&home, &["restore", "copy.db.age"]).expect(2).stderr.contains("pass --identity"));
    let public = run(&home, &["restore", "copy.db.age", "--identity", "archiver.toml"]).expect(2);
    assert!(!public.stderr.contains("panicked"), "{public:?}");
    for identity in ["one.key", "two.key"] {
        run(&home, &["restore", "copy.db.age", "--identity", identity]).expect(0);
        assert_eq!(messages(&home.path("archive.db")), before);
        run(&home, &["verify"]).expect(0);
    }
    let left =
        |f: &String| f.starts_with(".archiver-backup") || f.contains("decrypting") || f.contains("restoring");
    assert!(!home.files().iter().any(left), "{:?}", home.files());
}

#[test]
fn an_encrypted_backup_that_was_changed_or_cut_replaces_nothing_and_leaves_nothing_in_the_clear() {
    let api = FakeApi::serve(server(&[("Ada Example", 25)]));
    let home = Home::of(&api, "v2");
    home.sync();
    let public = key(&home, "one.key");
    run(&home, &["backup", "copy.db.age", "--encrypt-to", &public]).expect(0);
    let whole = std::fs::read(home.path("copy.db.age")).unwrap();
    let before = (std::fs::read(home.path("archive.db")).unwrap(), home.files());
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    for damaged in [&changed[..], &whole[..whole.len() / 2], &whole[..whole.len() - 1], &whole[..60]] {
        std::fs::write(home.path("copy.db.age"), damaged).unwrap();
        let ran = run(&home, &["restore", "copy.db.age", "--identity", "one.key"]).expect(1);
        assert!(ran.stderr.contains("is damaged and was not restored"), "{ran:?}");
        let after = (std::fs::read(home.path("archive.db")).unwrap(), home.files());
        assert!(after == before, "{:?}", after.1);
    }
}

#[test]
fn encrypted_backups_are_kept_and_replaced_apart_from_plain_ones() {
    let api = FakeApi::serve(server(&[("Ada Example", 5)]));
    let home = Home::of(&api, "v2");
    home.sync();
    let public = key(&home, "one.key");
    std::fs::create_dir(home.path("kept")).unwrap();
    run(&home, &["backup", "kept/archive-20200101T000000Z.db"]).expect(0);
    for day in ["20200102T000000Z", "20200103T000000Z", "20200104T000000Z"] {
        run(&home, &["backup", &format!("kept/archive-{day}.db.age"), "--encrypt-to", &public]).expect(0);
    }
    home.write("kept/archive-20190101T000000Z.db.age", "the name of a backup, but no age file");
    let ran = run(&home, &["backup", "kept", "--keep", "2", "--encrypt-to", &public]).expect(0);
    assert_eq!(ran.stdout.matches("Deleted ").count(), 2, "{ran:?}");
    for (left, there) in [
        ("20190101T000000Z.db.age", true),
        ("20200101T000000Z.db", true),
        ("20200103T000000Z.db.age", false),
        ("20200104T000000Z.db.age", true),
    ] {
        assert_eq!(home.path(&format!("kept/archive-{left}")).exists(), there, "{left}");
    }
    let sealed = "kept/archive-20200104T000000Z.db.age";
    assert!(run(&home, &["backup", sealed]).expect(2).stderr.contains("would not be encrypted"));
    let named = run(&home, &["backup", "copy.db", "--encrypt-to", &public]).expect(2);
    assert!(named.stderr.contains("end it with .age"), "{named:?}");
    home.write("precious.age", "not an age file");
    run(&home, &["backup", "precious.age", "--encrypt-to", &public]).expect(73);
    let secret = std::fs::read_to_string(home.path("one.key")).unwrap();
    let ran = run(&home, &["backup", "kept", "--encrypt-to", &secret]).expect(2);
    assert!(!ran.stderr.contains(&secret) && ran.stderr.contains("is a private key"), "{ran:?}");
    run(&home, &["backup", "kept", "--encrypt-to", "age1nonsense"]).expect(2);
}

#[test]
fn stopped_at_any_moment_an_encrypted_backup_leaves_nothing_on_either_side() {
    let mut bench = Bench::new(1);
    for n in 0..40 {
        let items = [item(&format!("u{n}"), NOW + n * 5000, "Ada Example", &"much text ".repeat(2000))];
        bench.put(0, &more_page(&items, NOW + n * 5000)).unwrap();
    }
    let public = age::x25519::Identity::generate().to_public().to_string();
    let keys = Recipients::parse(&[public]).unwrap().unwrap();
    let (folder, archive) = (tempfile::tempdir().unwrap(), bench.path());
    let to = folder.path().join("copy.db.age");
    let beside = || std::fs::read_dir(archive.parent().unwrap()).unwrap().count();
    let before = beside();
    let mut moments = 0;
    for moment in 0.. {
        let looks = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let mut copying = 0;
        let made = backup_sealed(
            &archive,
            &to,
            &keys,
            &mut |_, _| {
                copying += 1;
                // The target sees no plain copy while it is made.
                let there = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path());
                let plain = there.filter(|path| path.join("copy.db").exists()).count();
                assert_eq!(plain, 0);
                true
            },
            move || looks.fetch_add(1, Ordering::Relaxed) >= moment,
        );
        assert!(copying > 0);
        if made.is_ok() {
            break;
        }
        moments += 1;
        assert!(matches!(made, Err(BackupError::Stopped)), "{made:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(beside(), before);
    }
    assert!(moments > 2, "{moments}");
    assert_eq!((std::fs::read_dir(folder.path()).unwrap().count(), beside()), (1, before));
}
