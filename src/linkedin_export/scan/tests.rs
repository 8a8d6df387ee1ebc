//! Reading rows of every shape that an export may have.

use crate::linkedin_export::scan::*;

fn export(bytes: &[u8]) -> Result<ExportFile, ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("messages.csv");
    std::fs::write(&path, bytes).unwrap();
    ExportFile::open(&path)
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
    assert_eq!(read(&export, 0).len(), 2);
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
    let owner = crate::linkedin_export::participants::owner(&export.threads, None);
    assert_eq!(owner.as_deref(), Some("me"));
    let described: Vec<_> = export
        .threads
        .iter()
        .map(|t| {
            let d = t.described(owner.as_deref());
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
    assert_eq!(crate::linkedin_export::participants::owner(one, None), None);
    assert_eq!(crate::linkedin_export::participants::owner(one, Some("ada")).as_deref(), Some("ada"));
}
