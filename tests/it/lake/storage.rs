//! What a folder and a bucket have in common.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use archiver::lake::objects::{ObjectAccess, Objects};
use archiver::lake::storage::{Created, Storage as _};
use bytes::Bytes;

use super::s3::Server;

/// Does the same with both kinds of storage; `test` is given a way to open it.
fn with_both(test: impl Fn(&dyn Fn() -> Objects)) {
    let dir = tempfile::tempdir().unwrap();
    let lake = dir.path().join("a/lake");
    test(&|| Objects::open(&lake, &ObjectAccess::default()).unwrap());
    let server = Server::start();
    test(&|| server.open("a/lake"));
}

fn keys(lake: &Objects, folder: &str) -> Vec<String> {
    lake.list(folder).unwrap().into_iter().map(|listed| listed.key).collect()
}

#[test]
fn what_is_put_is_read_back_and_of_nothing_there_is_none() {
    with_both(|open| {
        let lake = open();
        assert_eq!(lake.get("t/a.json").unwrap(), None);
        for bytes in [&b"one"[..], b"", b"another one"] {
            lake.put("t/a.json", Bytes::copy_from_slice(bytes)).unwrap();
            assert_eq!(open().get("t/a.json").unwrap().as_deref(), Some(bytes));
        }
        assert_eq!(lake.get("t").unwrap(), None);
        assert_eq!(lake.get("t/a.json/b").unwrap(), None);
        let big: Bytes = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
        lake.put("big", big.clone()).unwrap();
        assert!(lake.get("big").unwrap() == Some(big));
    });
}

#[test]
fn an_object_is_created_once() {
    with_both(|open| {
        let lake = open();
        assert_eq!(lake.create("log/1.json", Bytes::from_static(b"a")).unwrap(), Created::Yes);
        assert_eq!(lake.create("log/1.json", Bytes::from_static(b"b")).unwrap(), Created::Taken);
        assert_eq!(open().get("log/1.json").unwrap().as_deref(), Some(&b"a"[..]));
        lake.check_create().unwrap();
        assert_eq!(keys(&lake, ""), ["log/1.json"]);
    });
}

#[test]
fn of_many_who_create_the_same_object_one_succeeds() {
    with_both(|open| {
        for round in 0..10 {
            let (key, start) = (format!("log/{round}.json"), Barrier::new(8));
            let lakes: Vec<Objects> = (0..8).map(|_| open()).collect();
            let won: Vec<u8> = thread::scope(|scope| {
                let (key, start) = (&key, &start);
                let threads: Vec<_> = (0..)
                    .zip(&lakes)
                    .map(|(who, lake)| {
                        scope.spawn(move || {
                            start.wait();
                            (who, lake.create(key, Bytes::copy_from_slice(&[who; 1000])).unwrap())
                        })
                    })
                    .collect();
                let all = threads.into_iter().map(|thread| thread.join().unwrap());
                all.filter(|(_, created)| *created == Created::Yes).map(|(who, _)| who).collect()
            });
            assert_eq!(won.len(), 1, "{won:?}");
            assert_eq!(open().get(&key).unwrap().unwrap(), [won[0]; 1000][..]);
        }
    });
}

#[test]
fn one_storage_serves_several_threads() {
    with_both(|open| {
        let lake = open();
        thread::scope(|scope| {
            for who in 0..8_u8 {
                let lake = &lake;
                scope.spawn(move || {
                    for n in 0..10 {
                        lake.put(&format!("t/{who}/{n}"), Bytes::copy_from_slice(&[who])).unwrap();
                        assert_eq!(lake.get(&format!("t/{who}/{n}")).unwrap().unwrap(), [who][..]);
                    }
                });
            }
        });
        assert_eq!(keys(&lake, "t/").len(), 80);
    });
}

#[test]
fn a_list_has_all_objects_below_a_folder_in_the_order_of_their_keys() {
    with_both(|open| {
        let lake = open();
        assert!(keys(&lake, "t/").is_empty());
        let names = ["t/10", "t/9", "t/a/b/c", "t/a.b", "t/a/a", "t/_x/1", "t/Z", "t/é", "ta/1", "s"];
        for name in names {
            lake.put(name, Bytes::copy_from_slice(name.as_bytes())).unwrap();
        }
        let below: BTreeSet<&str> = names.into_iter().filter(|name| name.starts_with("t/")).collect();
        let listed = lake.list("t/").unwrap();
        assert_eq!(
            listed.iter().map(|l| l.key.as_str()).collect::<Vec<_>>(),
            below.into_iter().collect::<Vec<_>>()
        );
        for object in &listed {
            assert_eq!(object.size, object.key.len() as u64, "{object:?}");
            assert!(object.modified_ms > 1_700_000_000_000, "{object:?}");
        }
        assert_eq!(keys(&lake, "t/a/"), ["t/a/a", "t/a/b/c"]);
        assert_eq!(keys(&lake, "").len(), names.len());
        assert!(lake.list("t").is_err());
    });
}

#[test]
fn keys_are_stored_exactly_as_they_are() {
    with_both(|open| {
        let lake = open();
        let names = [
            "t/archive_id=ä ö/month=2026-03/part-1.parquet",
            "t/name=50%25 off/%2F.parquet",
            "t/a+b&c=d~(e)!'@$,;:.json",
            "t/%",
            "t/𝄞 #1",
            "t/a\\b^`{}[]|<>*\"",
        ];
        for name in names {
            assert_eq!(lake.create(name, Bytes::copy_from_slice(name.as_bytes())).unwrap(), Created::Yes);
            assert_eq!(lake.get(name).unwrap().unwrap(), name.as_bytes(), "{name}");
        }
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        assert_eq!(keys(&lake, "t/"), sorted);
        lake.delete(&names.map(str::to_owned)).unwrap();
        assert!(keys(&lake, "").is_empty());
    });
}

#[test]
fn what_is_deleted_is_gone_and_what_is_not_there_does_not_matter() {
    with_both(|open| {
        let lake = open();
        let names: Vec<String> = (0..40).map(|n| format!("t/p={}/{n}", n % 7)).collect();
        for name in &names {
            lake.put(name, Bytes::from_static(b"x")).unwrap();
        }
        let mut gone = names[1..].to_vec();
        gone.insert(5, "t/never".to_owned());
        gone.insert(9, "never/at/all".to_owned());
        lake.delete(&gone).unwrap();
        lake.delete(&gone).unwrap();
        lake.delete(&[]).unwrap();
        assert_eq!(keys(&open(), ""), names[..1]);
    });
}

#[test]
fn keys_that_lead_elsewhere_are_refused() {
    with_both(|open| {
        let lake = open();
        for key in ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a\nb", "a\0", ".staging/x"] {
            assert!(lake.get(key).is_err(), "{key:?}");
            assert!(lake.put(key, Bytes::new()).is_err(), "{key:?}");
            assert!(lake.create(key, Bytes::new()).is_err(), "{key:?}");
            assert!(lake.delete(&[key.to_owned()]).is_err(), "{key:?}");
        }
        assert!(lake.list("../").is_err());
        assert!(keys(&lake, "").is_empty());
    });
}
