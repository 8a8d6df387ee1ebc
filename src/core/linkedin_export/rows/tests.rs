//! Rows come back word for word, whatever is made of them.

use proptest::prelude::*;

use crate::core::linkedin_export::rows::*;

proptest! {
    #[test]
    fn every_column_of_a_row_comes_back_word_for_word(
        fields in proptest::collection::vec("[ -~\u{0}\u{1}\u{e}\r\n\"é😀]{0,12}", 13),
    ) {
        let names = [
            "CONVERSATION ID", "CONVERSATION TITLE", "FROM", "SENDER PROFILE URL", "TO", "RECIPIENT PROFILE URLS",
            "DATE", "SUBJECT", "CONTENT", "FOLDER", "ATTACHMENTS", "IS MESSAGE DRAFT", "unknown \"one\"",
        ];
        let header: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let columns = Columns::of(&header);
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let message = Row { columns: &columns, header: &header, fields: &fields }.message(0);
        let rebuilt: serde_json::Value = serde_json::from_str(&message.served_json()).unwrap();
        let expected: serde_json::Map<String, serde_json::Value> =
            header.iter().zip(&fields).map(|(n, f)| (n.clone(), (*f).into())).collect();
        prop_assert_eq!(rebuilt, serde_json::Value::Object(expected));
    }
}

#[test]
fn drafts_and_advertisements_are_marked_as_far_as_columns_tell() {
    let header: Vec<String> =
        ["folder", "Is Message Draft", "conversation title"].map(str::to_owned).to_vec();
    let columns = Columns::of(&header);
    let kind = |fields: [&str; 3]| Row { columns: &columns, header: &header, fields: &fields }.kind();
    assert_eq!(kind(["INBOX", "No", ""]), "TEXT");
    assert_eq!(kind(["INBOX", "Yes", ""]), DRAFT);
    assert_eq!(kind(["DRAFTS", "", ""]), DRAFT);
    assert_eq!(kind(["SPONSORED", "", ""]), SPONSORED);
    assert_eq!(kind(["INBOX", "", "Sponsored Conversation"]), SPONSORED);
    assert_eq!(columns.content, None);
}
