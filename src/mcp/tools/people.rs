//! `list_people`: whom the owner corresponds with.

use serde_json::Value;

use super::conversations::{next, skipped};
use super::json;
use crate::core::format::iso_utc;
use crate::look::Glance;
use crate::mcp::answers::{NOTICE, PeopleAnswer, PersonItem, PersonWords};
use crate::mcp::arguments::{Argument, ArgumentKind, Arguments, CURSOR, MAX_BYTES};
use crate::mcp::completeness::{self, LookedAt};
use crate::mcp::cursor::Onward;
use crate::mcp::failure::ToolFailure;
use crate::mcp::fit::{AnswerRoom, word};
use crate::view::people::{PersonLine, person};

pub(super) const ARGUMENTS: &[Argument] = &[
    Argument {
        name: "name",
        kind: ArgumentKind::Text,
        required: false,
        about: "Only people whose name has this part.",
    },
    Argument {
        name: "limit",
        kind: ArgumentKind::Number { least: 1, most: 100, default: 25 },
        required: false,
        about: "People at most.",
    },
    MAX_BYTES,
    CURSOR,
];

/// Names and profiles of a person that are listed, and their bytes.
const LISTED: usize = 5;
const NAME: usize = 160;

pub(super) fn call(look: &Glance<'_>, arguments: &Arguments) -> Result<Value, ToolFailure> {
    let (limit, max_bytes) = (arguments.number("limit"), arguments.number("max_bytes"));
    let figures = look.figures()?;
    let people = &figures.people;
    let fitting = people.named(arguments.text("name").unwrap_or_default());
    let question = arguments.question();
    let skipped = skipped(arguments, question)?;
    let mut answer = PeopleAnswer {
        notice: NOTICE,
        total: fitting.len(),
        shown: 0,
        next_cursor: Some(Onward::Skip(usize::MAX).cursor(i64::MAX)),
        owner_known: people.owner_known,
        as_of: iso_utc(figures.as_of),
        completeness: completeness::of(look, &LookedAt::default(), completeness::GAPS)?,
        people: Vec::new(),
    };
    let shown = fitting.into_iter().skip(skipped).filter_map(|contact| person(&people.everybody, contact));
    answer.people = AnswerRoom::around(&answer, max_bytes).take(shown.map(|line| item(&line)), limit);
    answer.shown = answer.people.len();
    answer.next_cursor = next(skipped, answer.shown, answer.total, question);
    json(&answer)
}

fn item(line: &PersonLine<'_>) -> PersonItem {
    let words = |texts: &[String]| texts.iter().take(LISTED).map(|text| word(text, NAME)).collect();
    PersonItem {
        account: word(line.account, 80),
        received: line.received,
        sent: line.sent,
        last_at: iso_utc(line.last_at.0),
        conversations: line.conversations,
        they_answer_median_secs: line.they_answer_median_secs,
        you_answer_median_secs: line.you_answer_median_secs,
        untrusted: PersonWords {
            name: line.name.map(|name| word(name, NAME)),
            other_names: words(line.other_names),
            profile_urls: words(line.profile_urls),
        },
    }
}
