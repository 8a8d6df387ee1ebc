//! Whatever bytes come, reading ends in a page or an error; and what a page was made from can be rebuilt.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// Any JSON value, not too deep.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e15..1e15_f64).prop_map(Value::from),
        (1_500_000_000_000..1_800_000_000_000_i64).prop_map(Value::from),
        (1_500_000_000_000..1_800_000_000_000_i64).prop_map(|n| Value::from(n.to_string())),
        any::<String>().prop_map(Value::from),
        Just(json!("100%\u{0}\u{1}\\u0002\u{7f}\"")),
        Just(json!(MESSAGE_URN)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            object(inner.boxed()).prop_map(Value::from),
        ]
    })
}

fn object(inner: BoxedStrategy<Value>) -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof![
        6 => prop::sample::select(vec![
            "text", "timestamp", "sender", "sender_info", "message_type", "entity_urn",
            "first_name", "last_name", "profile_url", "name", "attachments",
        ])
        .prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::btree_map(name, inner, 0..8).prop_map(|m| m.into_iter().collect())
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        status in 0..600_u16,
    ) {
        let (reply, ask) = (reply(status, bytes), ask_conversation(THREAD, Some("9")));
        for version in [ApiVersion::V1, ApiVersion::V2] {
            prop_assert!(read_page(version, &reply, &ask).outcome.is_err());
        }
    }

    #[test]
    fn a_damaged_answer_is_read_without_a_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        keep in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut body = SAMPLE.as_bytes().to_vec();
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if cut {
            body.truncate(keep.index(body.len()));
        }
        if let Ok(page) = read_page(ApiVersion::V1, &reply(200, body), &ask_profile()).outcome {
            prop_assert_eq!(page.messages.len() + page.oddities.len(), page.returned as usize);
        }
    }

    #[test]
    fn every_served_item_can_be_rebuilt(
        items in prop::collection::vec(object(value().boxed()), 0..6),
        extra in object(value().boxed()),
    ) {
        let mut data = extra;
        data.insert("messages".to_owned(), items.into());
        let body = json!({"status": "success", "data": data}).to_string();
        let page = read(200, &body).outcome.unwrap();
        let rebuilt: Vec<Value> =
            page.messages.iter().map(|m| serde_json::from_str(&m.served_json()).unwrap()).collect();
        // Read back from the same text, as serde_json may read the last digit of a fraction differently.
        let served: Value = serde_json::from_str(&body).unwrap();
        prop_assert_eq!(&Value::from(rebuilt), &served["data"]["messages"]);
        prop_assert_eq!(page.oddities, []);
    }
}
