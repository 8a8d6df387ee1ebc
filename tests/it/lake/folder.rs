//! What is particular to a folder: staging, private modes, and places that are none.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use archiver::lake::LakeError;
use archiver::lake::objects::{ObjectAccess, Objects};
use archiver::lake::storage::{Created, Storage as _};
use bytes::Bytes;

fn open(place: &Path) -> Result<Objects, LakeError> {
    Objects::open(place, &ObjectAccess::default())
}

fn refused(place: &Path) -> String {
    match open(place) {
        Err(LakeError::Refused { message, help }) => format!("{message}; {help}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_folder_that_is_made_is_private_and_one_that_is_there_keeps_its_mode() {
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    open(&dir.path().join("new/lake")).unwrap();
    assert_eq!(mode(&dir.path().join("new/lake")), 0o700);
    let shared = dir.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o750)).unwrap();
    open(&shared).unwrap().put("t/a", Bytes::new()).unwrap();
    assert_eq!(mode(&shared), 0o750);
}

#[test]
fn what_a_crashed_writer_left_is_no_object_and_goes_when_the_lake_is_opened_or_deleted_from() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).unwrap();
    lake.put("t/a", Bytes::from_static(b"x")).unwrap();
    let leftover = dir.path().join(".staging/123-0");
    // A second name of an object, as a crash between its creation and the end of its staging leaves it.
    fs::hard_link(dir.path().join("t/a"), &leftover).unwrap();
    assert_eq!(lake.list("").unwrap().len(), 1);
    lake.delete(&["t/a".to_owned()]).unwrap();
    assert!(!leftover.exists());
    fs::write(&leftover, "half of it").unwrap();
    drop(open(dir.path()).unwrap());
    assert!(!leftover.exists());
}

#[test]
fn what_another_writes_at_the_moment_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).unwrap();
    lake.put("t/a", Bytes::new()).unwrap();
    let busy = dir.path().join(".staging/123-0");
    let writer = fs::File::create(&busy).unwrap();
    writer.lock().unwrap();
    drop(open(dir.path()).unwrap());
    assert!(busy.exists());
    drop(writer);
    drop(open(dir.path()).unwrap());
    assert!(!busy.exists());
}

#[test]
fn folders_that_are_empty_go_with_their_last_object() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).unwrap();
    let keys = ["t/archive_id=1/month=2/a", "t/archive_id=1/month=3/a", "t/b"].map(str::to_owned);
    for key in &keys {
        assert_eq!(lake.create(key, Bytes::new()).unwrap(), Created::Yes);
    }
    lake.delete(&keys[..1]).unwrap();
    assert!(!dir.path().join("t/archive_id=1/month=2").exists());
    lake.delete(&keys[1..2]).unwrap();
    assert!(!dir.path().join("t/archive_id=1").exists() && dir.path().join("t/b").exists());
    lake.create(&keys[0], Bytes::new()).unwrap();
}

#[test]
fn links_and_names_that_are_no_keys_are_no_objects() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).unwrap();
    lake.put("t/a", Bytes::new()).unwrap();
    std::os::unix::fs::symlink("..", dir.path().join("t/loop")).unwrap();
    fs::write(dir.path().join("t/line\nbreak"), "").unwrap();
    assert_eq!(lake.list("").unwrap().len(), 1);
}

#[test]
fn a_place_that_cannot_be_a_lake_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for (place, wanted) in [
        (file.clone(), "it is not a folder"),
        (file.join("below"), "it is not a folder"),
        ("/proc/nothing/here".into(), "name another folder"),
        ("".into(), "name a folder, or s3://BUCKET/PREFIX"),
        ("gs://bucket/lake".into(), "a lake cannot be at gs://"),
        ("S3:/bucket".into(), "a lake cannot be at s3://"),
        ("s3://".into(), "write it as s3://BUCKET"),
        ("s3://user:MARKER@host/lake".into(), "write it as s3://BUCKET"),
        ("s3://bucket/a//b".into(), "a slash"),
        ("s3://bucket/a?b=MARKER".into(), "no `?`"),
    ] {
        let shown = refused(&place);
        assert!(shown.contains(wanted) && !shown.contains("MARKER"), "{shown}");
    }
    if !rustix::process::geteuid().is_root() {
        assert!(refused(Path::new("/lake-of-nobody")).contains("permission denied"));
    }
}
