//! A mailbox made of numbers, and how it comes into an archive: what every benchmark of this program works on.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, and one that panics has failed"
)]

use std::time::{Duration, Instant};

use archiver::core::budget::{Charge, Purse, price};
use archiver::core::model::cursor::Cursor;
use archiver::core::model::page::{Below, Page};
use archiver::core::timeline::gap::{Asked, Gap};
use archiver::core::timeline::timestamps;
use archiver::core::{Ms, raw};
use archiver::store::{Commit, Configured, Purpose, Request, Store, Trigger};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use serde_json::value::RawValue;

/// Messages of a page.
pub const PAGE: u32 = 50;
/// When the newest message came, or a little later.
pub const NOW_MS: Ms = 1_763_000_000_000;
const FIVE_YEARS_MS: Ms = 157_680_000_000;
const PER_CONVERSATION: u32 = 500;
const SITTING: u32 = 8;

/// A mailbox in numbers: any page of it can be made without the rest.
pub struct Mailbox {
    /// How many.
    pub conversations: u32,
    /// The commonest first.
    pub words: Vec<String>,
    /// One message of so many has Chinese in it; 0: none has.
    pub chinese: u32,
}

impl Mailbox {
    /// Of so many messages.
    #[must_use]
    pub fn new(messages: u32) -> Self {
        let mut rng = Rng::with_seed(7);
        let word = |rng: &mut Rng| (0..rng.usize(2..11)).map(|_| rng.lowercase()).collect();
        Self {
            conversations: messages / PER_CONVERSATION,
            words: (0..30_000).map(|_| word(&mut rng)).collect(),
            chinese: 0,
        }
    }

    fn thread(conversation: u32) -> String {
        STANDARD.encode(format!("{conversation:08x}-7b06-4ee0-a5c6-5888cd0e6dda_013"))
    }

    fn urn(conversation: u32) -> String {
        format!("urn:li:msg_conversation:(urn:li:fsd_profile:ACoAAOWNER,2-{})", Self::thread(conversation))
    }

    /// People write in sittings: eight messages some minutes apart, then nothing for weeks.
    fn time(conversation: u32, index: u32) -> Ms {
        let (sitting, within) = (index / SITTING, index % SITTING);
        let step = FIVE_YEARS_MS / i64::from(PER_CONVERSATION / SITTING + 1);
        let mixed = conversation.wrapping_mul(2_654_435_761) ^ sitting.wrapping_mul(40_503_001);
        let jitter = i64::from(mixed) % (step - 3_600_000);
        NOW_MS - i64::from(sitting) * step - jitter - i64::from(within) * 150_000 - i64::from(mixed % 997)
    }

    /// Zipf-like words, some 130 bytes of them in the mean.
    fn text(&self, rng: &mut Rng) -> String {
        let mut text = String::new();
        for _ in 0..rng.usize(2..40) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a rank among the words"
            )]
            let rank = ((self.words.len() as f64).powf(rng.f64()) - 1.0) as usize;
            text.push_str(&self.words[rank.min(self.words.len() - 1)]);
            text.push(' ');
        }
        if self.chinese > 0 && rng.u32(0..self.chinese) == 0 {
            text.push_str("我们希望世界和平");
        }
        text
    }

    /// The messages from `first` on, newest first, as the API would serve them.
    #[must_use]
    pub fn page(&self, conversation: u32, first: u32) -> Page {
        let mut rng = Rng::with_seed(u64::from(conversation) << 32 | u64::from(first));
        let last = (first + PAGE).min(PER_CONVERSATION);
        let served: Vec<_> = (first..last)
            .map(|index| {
                let at = Self::time(conversation, index);
                let thread = STANDARD.decode(Self::thread(conversation)).unwrap();
                let own = format!("{}b{:05}-100&{}", at - 145, rng.u32(10_000..100_000), String::from_utf8(thread).unwrap());
                let (name, last) = if rng.bool() { ("Béla", "Sample".to_owned()) } else { ("Ada", format!("Example {conversation}")) };
                let json = serde_json::json!({
                    "text": self.text(&mut rng), "timestamp": at, "sender": format!("{name} {last}"),
                    "sender_info": {"first_name": name, "last_name": last}, "message_type": "TEXT",
                    "entity_urn": format!("urn:li:msg_message:(urn:li:fsd_profile:ACoAAOWNER,2-{})", STANDARD.encode(own)),
                });
                let raw: Box<RawValue> = serde_json::from_str(&json.to_string()).unwrap();
                raw::read(&raw).unwrap()
            })
            .collect();
        let messages = timestamps::place(served, None);
        let below = if last == PER_CONVERSATION {
            Below::End
        } else {
            Below::More(Cursor::made(messages.last().map_or(0, |m| m.at_ms)))
        };
        Page {
            returned: PAGE,
            below,
            messages,
            conversation_urn: Some(Self::urn(conversation)),
            total: None,
            unread: Some(0),
            last_seen_ms: None,
            oddities: Vec::new(),
        }
    }

    fn configured(&self) -> Vec<Configured> {
        let conversations = (0..self.conversations).map(|c| (Self::urn(c), None)).collect();
        vec![Configured { account: "me".into(), conversations, ..Configured::default() }]
    }
}

/// Walks the whole mailbox, newest first over all conversations; returns the time spent in the store.
pub fn walk(mailbox: &Mailbox, store: &mut Store) -> Duration {
    let mut spent = Duration::ZERO;
    let ids = store.configure(&mailbox.configured(), NOW_MS).unwrap();
    let targets = store.targets(&ids).unwrap();
    let run = store.begin_run(Trigger::Once, NOW_MS).unwrap();
    let purse = Purse::default();
    let mut gaps: Vec<Gap> = targets
        .iter()
        .map(|t| {
            t.plan
                .timeline
                .gaps
                .first()
                .cloned()
                .unwrap_or_else(|| Gap::head(t.plan.timeline.newest_ms, NOW_MS))
        })
        .collect();
    let first_time = targets.iter().all(|t| t.plan.timeline.messages == 0);
    for first in (0..PER_CONVERSATION).step_by(PAGE as usize) {
        for (at, target) in targets.iter().enumerate() {
            let conversation = u32::try_from(at).unwrap();
            let page = mailbox.page(conversation, first);
            // The second time each page is asked as if it were the newest: nothing in it is new.
            let gap =
                if first_time { gaps[at].clone() } else { Gap::head(target.plan.timeline.newest_ms, NOW_MS) };
            let begin = Instant::now();
            let request = Request {
                run,
                account: target.account_id,
                endpoint: "bench",
                conversation: Some(target.plan.id),
                purpose: Purpose::Gap,
                wanted: PAGE,
            };
            let reservation = store.reserve(&purse, &request, NOW_MS).unwrap().unwrap();
            let cursor = if first_time { gap.cursor_to_send() } else { None };
            let asked = Asked { cursor, gap, count: PAGE, most: u32::MAX, run };
            let receipt = reservation.spend(Charge::Known(price(page.returned)));
            let commit = Commit {
                conversation: target.plan.id,
                asked: &asked,
                page: &page,
                receipt: &receipt,
                http_status: Some(200),
                now: NOW_MS,
                recheck: false,
                longest_silence: 64,
            };
            let done =
                if first_time || first == 0 { Some(store.commit_page(&commit).unwrap()) } else { None };
            spent += begin.elapsed();
            if let Some(gap) = done.and_then(|d| d.timeline.gaps.first().cloned()) {
                gaps[at] = gap;
            }
        }
    }
    let begin = Instant::now();
    store.finish_run(run, archiver::store::Outcome::Complete, NOW_MS).unwrap();
    spent + begin.elapsed()
}

/// The most memory that this process has had.
#[must_use]
pub fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// How many messages to measure with.
#[must_use]
pub fn messages() -> u32 {
    std::env::var("ARCHIVER_BENCH_MESSAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(200_000)
}
