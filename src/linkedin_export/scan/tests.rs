//! Reading rows of every shape that an export may have.

use crate::linkedin_export::scan::*;

/// 2026-11-01.
const NOW: Ms = 1_793_491_200_000;

fn export(bytes: &[u8]) -> Result<ExportFile, ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("messages.csv");
    std::fs::write(&path, bytes).unwrap();
    ExportFile::open(&path, NOW)
}

fn read(export: &ExportFile, thread: usize) -> Vec<Message> {
    export.messages(&export.threads[thread].places).unwrap()
}

#[test]
fn rows_are_read_by_the_names_of_their_columns_in_any_order_and_case() {
    let text = "\u{feff}Date,content,\"Conversation Id\",From,Sender Profile URL,new column\r\n\
        2026-02-15 00:04:28 UTC,\"two\r\nlines, and a \"\"quote\"\"\",2-QUJD==,Ada Example,https://www.linkedin.com/in/ada/,x\r\n\
        2026-02-15 00:05:28 UTC,<p>newer</p>,2-QUJD,Béla,,\r\n\r\n";
    let export = export(text.as_bytes()).unwrap();
    assert_eq!((export.rows(), export.odd()), (2, &[][..]));
    assert_eq!(export.threads[0].key, "2-QUJD");
    let messages = read(&export, 0);
    assert_eq!(messages[0].text, "newer");
    assert!(messages[0].served_json().contains("<p>newer</p>"), "word for word");
    assert_eq!(messages[1].text, "two\r\nlines, and a \"quote\"");
    assert_eq!(messages[1].at_ms, 1_771_113_868_000);
    let raw: Value = serde_json::from_str(&messages[1].served_json()).unwrap();
    assert_eq!(raw["Conversation Id"], "2-QUJD==");
    assert_eq!(raw["new column"], "x");
    assert_eq!(raw["Date"], "2026-02-15 00:04:28 UTC");
    assert_eq!(raw.as_object().unwrap().len(), 6);
}

#[test]
fn rows_that_are_no_messages_are_reported_by_line_and_kept_whole() {
    let mut text = b"CONVERSATION ID,DATE,CONTENT\n\
        2-a,2026-02-15 00:04:28 UTC,\"fine\n\nstill\"\n\
        ,2026-02-15 00:04:28 UTC,nobody\n\
        2-a,soon,when\n\
        2-a,2026-02-15 00:04:28 UTC\n\
        2-a,2026-02-15 00:04:28 UTC,x,y\n\
        2-a,2026-02-15 00:04:28 UTC,\xff\n"
        .to_vec();
    // Letters of UTF-8 elsewhere tell that the file is not of another encoding.
    text.extend("2-a,2026-02-15 00:04:30 UTC,é\n".bytes());
    text.extend(b"2-a,2026-02-15 00:04:29 UTC,last\n");
    let export = export(&text).unwrap();
    let odd: Vec<(u64, &str)> = export.odd().iter().map(|o| (o.line, o.reason.as_str())).collect();
    assert_eq!(
        odd,
        [
            (5, "it names no conversation"),
            (6, "\"soon\" is no date"),
            (7, "it has 2 fields, the header has 3"),
            (8, "it has 4 fields, the header has 3"),
            (9, "it is not UTF-8"),
        ]
    );
    let content: Vec<Value> =
        export.odd().iter().map(|o| serde_json::from_str(&export.content(o).unwrap()).unwrap()).collect();
    assert_eq!(content[0]["CONTENT"], "nobody");
    assert_eq!(content[3]["COLUMN 4"], "y");
    assert!(content[4]["(the row in base64)"].is_string());
    assert_eq!(read(&export, 0).len(), 3);
}

#[test]
fn a_file_without_the_columns_is_refused_and_its_first_row_quoted() {
    let error = export(b"a,b\n1,2\n").unwrap_err();
    assert!(error.to_string().ends_with("it starts with \"a,b\""), "{error}");
    assert!(matches!(export(b""), Err(ImportError::Refused { .. })));
    // Notes may stand above the header.
    assert_eq!(export(b"Notes:\n\"said, by them\"\n\nCONVERSATION ID,DATE\n").unwrap().rows(), 0);
}

#[test]
fn an_unclosed_quote_is_one_odd_row_and_not_lost() {
    let export =
        export(b"CONVERSATION ID,DATE,CONTENT\n2-a,2026-02-15 00:04:28 UTC,ok\n2-a,\"2026,x\n2-a,2026,y\n")
            .unwrap();
    assert_eq!((export.rows(), export.odd().len()), (2, 1));
    assert!(export.content(&export.odd()[0]).unwrap().contains("2026,x\\n2-a,2026,y"));
}

#[test]
fn the_owner_takes_part_in_every_thread_and_the_others_name_it() {
    let text = "CONVERSATION ID,CONVERSATION TITLE,FROM,SENDER PROFILE URL,TO,RECIPIENT PROFILE URLS,DATE\n\
        2-a,,Ada,https://www.linkedin.com/in/ada,Me,https://www.linkedin.com/in/me,2026-02-15\n\
        2-b,,Me,https://www.linkedin.com/in/me,Béla,https://www.linkedin.com/in/bela,2026-02-15\n\
        2-c,The team,Me,https://www.linkedin.com/in/me,\"Béla,Ada\",\"https://www.linkedin.com/in/bela,https://www.linkedin.com/in/ada\",2026-02-15\n";
    let export = export(text.as_bytes()).unwrap();
    let found = export.owner(None).map(|owner| owner.key);
    assert_eq!(found.as_deref(), Some("in/me"));
    let described: Vec<_> = export
        .threads
        .iter()
        .map(|t| {
            let d = t.described(found.as_deref());
            (d.name.unwrap(), d.profile_url, d.is_group)
        })
        .collect();
    assert_eq!(
        described,
        [
            ("Ada".into(), Some("https://www.linkedin.com/in/ada".into()), Some(false)),
            ("Béla".into(), Some("https://www.linkedin.com/in/bela".into()), Some(false)),
            ("The team".into(), None, Some(true)),
        ]
    );
    // Nobody is everywhere in one thread alone, unless the configuration tells.
    let one = &export.threads[..1];
    let owner_of = |configured| owner(one, &BTreeSet::new(), configured).map(|owner| owner.key);
    assert_eq!(owner_of(None), None);
    assert_eq!(owner_of(Some("ada")).as_deref(), Some("in/ada"));
}

/// Scans a text within these limits.
fn limited(text: &str, limits: ImportLimits) -> Result<ExportFile, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("messages.csv");
    std::fs::write(&path, text).unwrap();
    ExportFile::open_within(&path, NOW, &limits).map_err(|error| error.to_string())
}

#[test]
fn each_limit_is_kept_and_named() {
    const ALL: ImportLimits = ImportLimits::DEFAULT;
    let row = |n: usize, text: &str| format!("2-{n},2026-02-15 00:04:28 UTC,{text}\n");
    let file = |rows: &[String]| format!("CONVERSATION ID,DATE,CONTENT\n{}", rows.concat());
    let three: Vec<String> = (0..3).map(|n| row(n, "x")).collect();
    let odd: Vec<String> = (0..3).map(|n| format!("2-{n},never,x\n")).collect();
    let mut long = three.clone();
    long.push(row(3, &"x".repeat(3 << 20)));
    let wide = (0..1_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    for (text, limits, said) in [
        (file(&three), ImportLimits { rows: 2, ..ALL }, "the limit of 2 rows"),
        (file(&three), ImportLimits { conversations: 2, ..ALL }, "the limit of 2 conversations"),
        (
            file(&[three.clone(), odd].concat()),
            ImportLimits { odd_rows: 2, ..ALL },
            "the limit of 2 rows that are no messages",
        ),
        (file(&long), ImportLimits { row: 1 << 20, ..ALL }, "the limit of 1 MiB in a row"),
        (format!("{wide}\n"), ALL, "the limit of 256 columns"),
        (file(&three), ImportLimits { total: 10, ..ALL }, "the limit of 0 MiB in total"),
    ] {
        let error = limited(&text, limits).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    assert_eq!(limited(&file(&long), ALL).unwrap().rows(), 4);
    assert_eq!(limited(&file(&three), ImportLimits { rows: 3, conversations: 3, ..ALL }).unwrap().rows(), 3);
}

#[test]
fn a_row_is_read_whole_wherever_the_buffers_end() {
    let lengths = [1, 8_000, 8_192, 70_000, 300_000];
    let rows: Vec<String> = (0..40)
        .map(|n| format!("2-a,2026-02-15 00:{n:02}:28 UTC,{n}{}\n", "y".repeat(lengths[n % lengths.len()])))
        .collect();
    let export =
        limited(&format!("CONVERSATION ID,DATE,CONTENT\n{}", rows.concat()), ImportLimits::DEFAULT).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("messages.csv");
    std::fs::write(&path, format!("CONVERSATION ID,DATE,CONTENT\n{}", rows.concat())).unwrap();
    let open = ExportFile::open(&path, NOW).unwrap();
    assert_eq!((export.rows(), open.odd().len()), (40, 0));
    for (n, message) in read(&open, 0).iter().rev().enumerate() {
        assert_eq!(message.text, format!("{n}{}", "y".repeat(lengths[n % lengths.len()])));
    }
}
