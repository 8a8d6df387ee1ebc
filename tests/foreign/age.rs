//! Encrypted backups, as Debian's `age` opens and makes them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::binary::{FakeApi, Home, server};
use crate::{out, program};

#[test]
fn age_opens_an_encrypted_backup_and_what_it_encrypts_can_be_restored() {
    let api = FakeApi::serve(server(&[("Ada Example", 25)]));
    let home = Home::of(&api, "v2");
    home.sync();
    out(program("age-keygen").args(["-o", "key.txt"]).current_dir(home.dir()));
    let public = out(program("age-keygen").args(["-y", "key.txt"]).current_dir(home.dir()));
    let public = public.trim();
    home.run(&["backup", "sealed.db.age", "--encrypt-to", public]).expect(0);
    home.run(&["backup", "plain.db"]).expect(0);
    let age = |line: &[&str]| out(program("age").args(line).current_dir(home.dir()));
    age(&["-d", "-i", "key.txt", "-o", "opened.db", "sealed.db.age"]);
    assert_eq!(std::fs::read(home.path("opened.db")).unwrap(), std::fs::read(home.path("plain.db")).unwrap());
    // age opens to a file that others may read, which `verify` tells of.
    std::fs::set_permissions(home.path("opened.db"), Permissions::from_mode(0o600)).unwrap();
    home.run(&["verify", "opened.db"]).expect(0);
    age(&["-r", public, "-o", "theirs.db.age", "plain.db"]);
    home.run(&["restore", "theirs.db.age", "--identity", "key.txt"]).expect(0);
    home.run(&["verify"]).expect(0);
}
