//! Faults on demand: what goes wrong, and for which requests.

mod words;

use serde::{Deserialize, Serialize};

use crate::model::Conversation;
use crate::urn::{self, thread_key};
use words::{ELSEWHERE, WORDS};

/// How long a 429 or 503 asks to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// So many seconds, as a number.
    Seconds(u32),
    /// Until a date so many seconds ahead.
    DateIn(u32),
}

/// What a CDN refuses with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A web page.
    Html,
    /// A line of text.
    Text,
    /// Nothing.
    Empty,
}

/// Something that goes wrong. Written as a word: `http-429`, `http-429-after-5`, `http-503-date-5`, `hang`,
/// `gateway-504`, `block-403-html`, `redirect:http://127.0.0.1:9/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Fault {
    /// This HTTP status instead of an answer. v1 charges it, except 500.
    Http(u16, Option<RetryAfter>),
    /// A redirect to this address instead of an answer.
    Redirect(String),
    /// A CDN refuses with this status and a page of its own before the API sees the request.
    Block(u16, Form),
    /// Processed and charged, but a gateway answers with this status and a page of its own.
    Gateway(u16),
    /// The session with LinkedIn is over.
    ExpiredToken,
    /// The credits are used up.
    ExhaustedCredits,
    /// v2's CHANNEL_ERROR with status 200; v1's error with status 200.
    ChannelError,
    /// Processed and charged, but answered with v1's 500 or v2's INTERNAL_ERROR, which say that they are free.
    ChargedFailure,
    /// The connection is closed before anything is processed.
    CloseBefore,

    /// Processed and charged, but the connection is closed without an answer.
    CloseAfter,
    /// Processed and charged, but nothing is ever answered.
    Hang,
    /// The connection breaks in the middle of the body.
    CutConnection,
    /// A body that comes byte by byte.
    Drip,
    /// A whole answer with status 200, of which the second half of the JSON is missing.
    CutJson,
    /// A web page with status 200.
    Html,
    /// A few hundred kB that unpack to 64 MiB.
    GzipBomb,
    /// A few kB that unpack to a list of millions of items.
    Flood,
    /// A body of 16 MiB.
    Oversized,
    /// `"data":[]`.
    DataArray,
    /// `"data":null`.
    DataNull,
    /// A page without its list.
    NoMessages,
    /// A list item that is no message.
    OddItem,
    /// Items whose text begins with "NaN" hold a number that JSON does not know.
    NotJson,
    /// All times of messages are two hours late: the server's clock is wrong.
    TimesAhead,
    /// The ids of messages are spelled in another way: another prefix, no padding.
    Respelled,
    /// "This cost nothing", where answers say what they cost.
    SaidFree,
    /// "This cost 99,999", where answers say what they cost.
    SaidDear,

    /// The newest page, whatever the cursor.
    RepeatPage,
    /// The cursor of the answer is that of the request.
    RepeatCursor,
    /// A cursor above the page.
    CursorUp,
    /// The end is never told: there is always one more cursor.
    NeverEnds,
    /// "There is more", but no cursor.
    MoreWithoutCursor,
    /// Fewer messages than asked for, though more exist.
    ShortPage,
    /// Every message twice.
    DuplicateRows,
    /// "This is the end", though more exists.
    EarlyEnd,
    /// No messages, but an honest cursor.
    EmptyMore,
    /// No messages and "this is the end", though some exist.
    EmptyEnd,
    /// A message in the middle of the page is missing.
    HoleInPage,
    /// Oldest first.
    Reversed,
    /// The page of another conversation.
    OtherConversation,
}

/// Where a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Instead of processing: what it costs depends on the fault.
    Instead,
    /// On the page, before it is written and charged.
    Page,
    /// On the answer, after it was processed and charged.
    Answer,
}

impl Fault {
    /// This HTTP status, without a word on when to come back.
    #[must_use]
    pub fn http(status: u16) -> Self {
        Self::Http(status, None)
    }

    /// Every fault once, for tests that want them all.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let statuses = [400, 401, 402, 403, 404, 429, 500, 502, 503, 504].map(Self::http);
        let mut all = statuses.to_vec();
        all.push(Self::Http(429, Some(RetryAfter::Seconds(1))));
        all.push(Self::Http(503, Some(RetryAfter::DateIn(1))));
        all.push(Self::Redirect(ELSEWHERE.to_owned()));
        all.extend([Self::Block(403, Form::Html), Self::Block(401, Form::Text), Self::Gateway(504)]);
        all.extend(WORDS.iter().map(|(fault, _)| fault.clone()));
        all
    }

    /// Where it strikes.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Self::Http(..)
            | Self::Redirect(_)
            | Self::Block(..)
            | Self::ExpiredToken
            | Self::ExhaustedCredits
            | Self::ChannelError
            | Self::CloseBefore => Stage::Instead,
            Self::CloseAfter
            | Self::Hang
            | Self::CutConnection
            | Self::Drip
            | Self::CutJson
            | Self::Html
            | Self::GzipBomb
            | Self::Flood
            | Self::Oversized
            | Self::DataArray
            | Self::DataNull
            | Self::NoMessages
            | Self::OddItem
            | Self::NotJson
            | Self::TimesAhead
            | Self::Respelled
            | Self::SaidFree
            | Self::SaidDear
            | Self::ChargedFailure
            | Self::Gateway(_) => Stage::Answer,
            Self::RepeatPage
            | Self::RepeatCursor
            | Self::CursorUp
            | Self::NeverEnds
            | Self::MoreWithoutCursor
            | Self::ShortPage
            | Self::DuplicateRows
            | Self::EarlyEnd
            | Self::EmptyMore
            | Self::EmptyEnd
            | Self::HoleInPage
            | Self::Reversed
            | Self::OtherConversation => Stage::Page,
        }
    }
}

/// Which requests a fault strikes: all conditions that are set must hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// These request numbers (the first is 1); empty is any.
    pub requests: Vec<u64>,
    /// This request number and all later ones.
    pub from_request: Option<u64>,
    /// Paths that contain this.
    pub path: Option<String>,
    /// Any name of the conversation: URN, thread id or profile page.
    pub conversation: Option<String>,
    /// Index of the account.
    pub account: Option<usize>,
    /// Only requests with a cursor, or only those without.
    pub cursor: Option<bool>,
    /// Strikes with this probability, as the seed has it.
    pub probability: Option<f64>,
}

/// How often a rule strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Times {
    /// Once.
    #[default]
    Once,
    /// So many times.
    N(u32),
    /// Until the rules are cleared.
    UntilHealed,
}

/// A fault, when it strikes and how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// What goes wrong.
    pub fault: Fault,
    /// For which requests.
    #[serde(default)]
    pub when: When,
    /// How often.
    #[serde(default)]
    pub times: Times,
}

impl FaultRule {
    /// The fault strikes the next request, once.
    #[must_use]
    pub fn once(fault: Fault) -> Self {
        Self { fault, when: When::default(), times: Times::Once }
    }

    /// The fault strikes every request until the rules are cleared.
    #[must_use]
    pub fn always(fault: Fault) -> Self {
        Self { fault, when: When::default(), times: Times::UntilHealed }
    }

    /// The same rule, under these conditions.
    #[must_use]
    pub fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    fn left(&self, struck: u32) -> bool {
        match self.times {
            Times::Once => struck == 0,
            Times::N(n) => struck < n,
            Times::UntilHealed => true,
        }
    }
}

/// A request, as far as rules look at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) number: u64,
    pub(super) path: &'a str,
    pub(super) account: Option<usize>,
    pub(super) conversation: Option<&'a Conversation>,
    pub(super) cursor: bool,
}

/// The rules in force. The first that applies strikes.
#[derive(Debug, Clone)]
pub struct Faults {
    rules: Vec<(FaultRule, u32)>,
    rng: fastrand::Rng,
}

impl Default for Faults {
    fn default() -> Self {
        Self { rules: Vec::new(), rng: fastrand::Rng::with_seed(0) }
    }
}

impl Faults {
    /// Adds a rule after those already there.
    pub fn add(&mut self, rule: FaultRule) {
        self.rules.push((rule, 0));
    }

    /// Heals everything.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// Begins the probabilities anew from this seed.
    pub fn seed(&mut self, seed: u64) {
        self.rng = fastrand::Rng::with_seed(seed);
    }

    /// The rules that can still strike.
    pub fn rules(&self) -> impl Iterator<Item = &FaultRule> {
        self.rules.iter().filter(|(rule, struck)| rule.left(*struck)).map(|(rule, _)| rule)
    }

    /// The fault that strikes this request.
    pub(super) fn pick(&mut self, target: &Target<'_>) -> Option<Fault> {
        let rng = &mut self.rng;
        let (rule, struck) = self.rules.iter_mut().find(|(rule, struck)| {
            rule.left(*struck)
                && applies(&rule.when, target)
                && rule.when.probability.is_none_or(|p| rng.f64() < p)
        })?;
        *struck += 1;
        Some(rule.fault.clone())
    }
}

fn applies(when: &When, target: &Target<'_>) -> bool {
    (when.requests.is_empty() || when.requests.contains(&target.number))
        && when.from_request.is_none_or(|from| target.number >= from)
        && when.path.as_deref().is_none_or(|p| target.path.contains(p))
        && when.account.is_none_or(|a| target.account == Some(a))
        && when.cursor.is_none_or(|c| target.cursor == c)
        && when
            .conversation
            .as_deref()
            .is_none_or(|name| target.conversation.is_some_and(|c| is_named(c, name)))
}

fn is_named(conversation: &Conversation, name: &str) -> bool {
    if thread_key(name) == thread_key(&conversation.thread) {
        return true;
    }
    let profile = |address: &str| urn::profile_key(address);
    match (conversation.others.as_slice(), profile(name)) {
        ([only], Some(key)) => only.profile_url.as_deref().and_then(profile) == Some(key),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(number: u64) -> Target<'static> {
        Target {
            number,
            path: "/v1/messages/conversation",
            account: Some(0),
            conversation: None,
            cursor: number > 1,
        }
    }

    fn struck(rule: FaultRule, requests: u64) -> Vec<u64> {
        let mut faults = Faults::default();
        faults.add(rule);
        (1..=requests).filter(|n| faults.pick(&target(*n)).is_some()).collect()
    }

    #[test]
    fn every_fault_is_a_word_and_every_word_a_fault() {
        for fault in Fault::all() {
            assert_eq!(fault.to_string().parse::<Fault>().as_ref(), Ok(&fault));
            let json = serde_json::to_string(&fault).unwrap();
            assert_eq!(serde_json::from_str::<Fault>(&json).unwrap(), fault);
        }
        for wrong in ["", "http-", "http-99", "http-429-after-x", "http-1-2", "hung"] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
        assert_eq!("redirect".parse(), Ok(Fault::Redirect(ELSEWHERE.to_owned())));
    }

    #[test]
    fn a_rule_strikes_as_often_as_it_says() {
        let rule = |times| FaultRule { times, ..FaultRule::once(Fault::Hang) };
        assert_eq!(struck(rule(Times::Once), 4), [1]);
        assert_eq!(struck(rule(Times::N(2)), 4), [1, 2]);
        assert_eq!(struck(rule(Times::UntilHealed), 4), [1, 2, 3, 4]);
    }

    #[test]
    fn a_rule_strikes_only_what_it_names() {
        let rule = |when| FaultRule::always(Fault::Hang).when(when);
        assert_eq!(struck(rule(When { requests: vec![2, 4], ..When::default() }), 5), [2, 4]);
        assert_eq!(struck(rule(When { from_request: Some(3), ..When::default() }), 4), [3, 4]);
        assert_eq!(struck(rule(When { path: Some("inbox".into()), ..When::default() }), 2), [0; 0]);
        assert_eq!(struck(rule(When { path: Some("/v1/".into()), ..When::default() }), 2), [1, 2]);
        assert_eq!(struck(rule(When { account: Some(1), ..When::default() }), 2), [0; 0]);
        assert_eq!(struck(rule(When { cursor: Some(false), ..When::default() }), 3), [1]);
        assert_eq!(struck(rule(When { cursor: Some(true), ..When::default() }), 3), [2, 3]);
    }

    #[test]
    fn probability_is_seeded() {
        let rule = FaultRule::always(Fault::Hang).when(When { probability: Some(0.3), ..When::default() });
        let first = struck(rule.clone(), 1_000);
        assert_eq!(struck(rule, 1_000), first);
        assert!((200..400).contains(&first.len()), "{}", first.len());
    }

    #[test]
    fn clearing_heals() {
        let mut faults = Faults::default();
        faults.add(FaultRule::always(Fault::Hang));
        assert_eq!(faults.rules().count(), 1);
        faults.clear();
        assert_eq!(faults.pick(&target(1)), None);
    }

    #[test]
    fn rules_read_from_json_with_defaults() {
        let rule: FaultRule =
            serde_json::from_str(r#"{"fault":"http-429-after-5","when":{"path":"inbox"},"times":{"n":3}}"#)
                .unwrap();
        assert_eq!(rule.fault, Fault::Http(429, Some(RetryAfter::Seconds(5))));
        assert_eq!(rule.times, Times::N(3));
        assert_eq!(
            serde_json::from_str::<FaultRule>(r#"{"fault":"hang"}"#).unwrap(),
            FaultRule::once(Fault::Hang)
        );
        assert!(serde_json::from_str::<FaultRule>(r#"{"fault":"hang","wen":{}}"#).is_err());
    }
}
