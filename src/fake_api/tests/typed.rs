//! The server without its wire does as the server with it.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Fixture, HOUR, NOW, START, texts};
use crate::core::message::Message;
use crate::core::page::{Below, Cursor};
use crate::core::{place, raw};
use crate::fake_api::faults::Stage;
use crate::fake_api::inbox::Category;
use crate::fake_api::refusal::{Cause, Generation};
use crate::fake_api::typed::{InboxAsk, PageAsk, Typed};
use crate::fake_api::{Fault, FaultRule};

const ASK: PageAsk = PageAsk {
    generation: Generation::V1,
    account: 0,
    conversation: 0,
    cursor: Some(START + 20 * HOUR),
    count: 6,
};

#[test]
fn every_fault_does_and_costs_the_same_with_and_without_a_wire() {
    for fault in Fault::all() {
        for generation in [Generation::V1, Generation::V2] {
            let mut f = Fixture::with_two();
            f.server.faults.add(FaultRule::once(fault.clone()));
            let answer = f.server.ask_page(&PageAsk { generation, ..ASK }, NOW);
            let typed = match answer.outcome {
                Typed::Page(bent) => {
                    Some(bent.page.messages.iter().map(|m| m.text.clone()).collect::<Vec<_>>())
                }
                Typed::Fault(struck) => {
                    assert_eq!(struck, fault);
                    assert_ne!(struck.stage(), Stage::Page);
                    None
                }
                Typed::Refused(refusal) => panic!("{refusal:?}"),
            };
            let charged = answer.charged;
            let mut g = Fixture::with_two();
            g.server.faults.add(FaultRule::once(fault.clone()));
            let cursor = (START + 20 * HOUR).to_string();
            let reply = match generation {
                Generation::V1 => g.v1(json!({"total_results": 6, "cursor": cursor})),
                Generation::V2 => g.v2_page(json!({"count": 6, "cursor": cursor})),
            };
            assert_eq!((u64::from(charged), f.charged()), (g.charged(), g.charged()), "{fault}");
            if let Some(typed) = typed {
                assert_eq!(typed, texts(&reply), "{fault}");
            }
        }
    }
}

fn cause<T>(outcome: Typed<T>) -> Cause {
    match outcome {
        Typed::Refused(refusal) => refusal.cause,
        Typed::Page(_) | Typed::Fault(_) => panic!("it was not refused"),
    }
}

#[test]
fn refusals_are_those_of_the_wire() {
    let mut f = Fixture::new();
    let unknown = PageAsk { conversation: 7, ..ASK };
    assert_eq!(cause(f.server.ask_page(&unknown, NOW).outcome), Cause::Conversation);
    f.server.meter.balance = 0;
    assert_eq!(cause(f.server.ask_page(&ASK, NOW).outcome), Cause::Credits);
    f.server.account_mut(0).unwrap().active = false;
    assert_eq!(cause(f.server.ask_page(&ASK, NOW).outcome), Cause::Session);
}

#[test]
fn the_inbox_can_be_asked_too() {
    let mut f = Fixture::with_two();
    let ask = |count, cursor| InboxAsk {
        generation: Generation::V2,
        account: 0,
        category: Category::Inbox,
        cursor,
        count,
    };
    let first = f.server.ask_inbox(&ask(1, None), NOW);
    let Typed::Page(page) = first.outcome else { panic!("no page") };
    assert_eq!((page.rows[0].0, first.charged, first.request_id), (0, 1, 1));
    let cursor = page.next_cursor.clone();
    let second = f.server.ask_inbox(&ask(1, cursor), NOW);
    let Typed::Page(page) = second.outcome else { panic!("no page") };
    assert_eq!((page.rows[0].0, &page.next_cursor), (1, &None));
    assert!(matches!(f.server.ask_inbox(&ask(26, None), NOW).outcome, Typed::Refused(_)));
}

#[test]
fn a_page_reads_as_a_client_reads_it_from_the_wire() {
    let mut f = Fixture::with_two();
    let extra = json!({"reactions": [{"emoji": "👍"}], "odd \"name\"": null});
    f.mailbox().conversation_mut(0).unwrap().others[0].profile_url = None;
    f.post("/_fake/send", &json!({"conversation": 0, "text": "with \"quotes\" 🎉", "extra": extra}));
    for generation in [Generation::V1, Generation::V2] {
        let ask = PageAsk { generation, cursor: None, ..ASK };
        let Typed::Page(bent) = f.server.ask_page(&ask, NOW).outcome else { panic!("no page") };
        let page = bent.to_core(generation);
        let served = match generation {
            Generation::V1 => f.v1(json!({"total_results": 6})),
            Generation::V2 => f.v2_page(json!({"count": 6})),
        };
        let served = served.value()["data"].clone();
        assert_eq!(page.below, Below::More(Cursor(served["next_cursor"].as_str().unwrap().to_owned())));
        assert_eq!(page.conversation_urn, Some(f.urn()));
        assert_eq!(page.total, served["total_message_count"].as_i64());
        let rebuilt: Vec<Value> =
            page.messages.iter().map(|m| serde_json::from_str(&raw::rebuild(m)).unwrap()).collect();
        assert_eq!(json!(rebuilt), served["messages"]);
        let read =
            |m: &Value| raw::read(&serde_json::from_str::<Box<RawValue>>(&m.to_string()).unwrap()).unwrap();
        let read = place::place(served["messages"].as_array().unwrap().iter().map(read).collect(), None);
        let content =
            |m: &Message| (m.urn.clone(), m.at_ms, m.sender.clone(), m.kind.clone(), m.text.clone());
        assert!(page.messages.iter().map(content).eq(read.iter().map(content)));
    }
}
