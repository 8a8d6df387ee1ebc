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
use archiver::core::model::ids::RunId;
use archiver::core::model::page::{Below, Page};
use archiver::core::timeline::gap::{Asked, Gap};
use archiver::core::timeline::timestamps;
use archiver::core::{Ms, raw};
use archiver::store::{Commit, Configured, Outcome, Purpose, Request, Store, Target, Trigger};
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
        let last = (first + PAGE).min(PER_CONVERSATION);
        let served: Vec<_> = (first..last).map(|index| self.message(conversation, index)).collect();
        let messages = timestamps::place(served, None);
        let below = if last == PER_CONVERSATION {
            Below::End
        } else {
            Below::More(Cursor::made(messages.last().map_or(0, |m| m.at_ms)))
        };
        Page {
            returned: last - first,
            below,
            messages,
            conversation_urn: Some(Self::urn(conversation)),
            total: None,
            unread: Some(0),
            last_seen_ms: None,
            oddities: Vec::new(),
        }
    }

    /// A message, the same on whichever page it comes.
    fn message(&self, conversation: u32, index: u32) -> raw::Served {
        let mut rng = Rng::with_seed(u64::from(conversation) << 32 | u64::from(index));
        let at = Self::time(conversation, index);
        let thread = STANDARD.decode(Self::thread(conversation)).unwrap();
        let own = format!(
            "{}b{:05}-100&{}",
            at - 145,
            rng.u32(10_000..100_000),
            String::from_utf8(thread).unwrap()
        );
        let (name, last) = if rng.bool() {
            ("Béla", "Sample".to_owned())
        } else {
            ("Ada", format!("Example {conversation}"))
        };
        let json = serde_json::json!({
            "text": self.text(&mut rng), "timestamp": at, "sender": format!("{name} {last}"),
            "sender_info": {"first_name": name, "last_name": last}, "message_type": "TEXT",
            "entity_urn": format!("urn:li:msg_message:(urn:li:fsd_profile:ACoAAOWNER,2-{})", STANDARD.encode(own)),
        });
        let raw: Box<RawValue> = serde_json::from_str(&json.to_string()).unwrap();
        raw::read(&raw).unwrap()
    }

    fn configured(&self) -> Vec<Configured> {
        let conversations = (0..self.conversations).map(|c| (Self::urn(c), None)).collect();
        vec![Configured { account: "me".into(), conversations, ..Configured::default() }]
    }
}

/// Time that the store took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    /// By the clock, waiting for the disk included.
    pub wall: Duration,
    /// On a processor: on a machine that others use too, this is the same again.
    pub cpu: Duration,
}

impl Spent {
    /// Adds what this takes.
    fn on<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (begin, cpu) = (Instant::now(), cpu_time());
        let done = work();
        self.wall += begin.elapsed();
        self.cpu += cpu_time().saturating_sub(cpu);
        done
    }
}

/// How long this thread has been on a processor.
fn cpu_time() -> Duration {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = line.split_whitespace().next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// Walks the whole mailbox, newest first over all conversations, as a server serves it that takes its cursors for "as old
/// or older": the last message of each page comes again with the next.
pub fn walk(mailbox: &Mailbox, store: &mut Store) -> Spent {
    visit(mailbox, store, PER_CONVERSATION.div_ceil(PAGE - 1))
}

/// A message is new in the first conversation, the `number`th after all that [`walk`] stored. Returns when it was stored.
pub fn put_one(mailbox: &Mailbox, store: &mut Store, number: u32) -> Instant {
    let ids = store.configure(&mailbox.configured(), NOW_MS).unwrap();
    let target = store.targets(&ids).unwrap().swap_remove(0);
    let run = store.begin_run(Trigger::Once, NOW_MS).unwrap();
    let gap = Gap::head(target.plan.timeline.newest_ms, NOW_MS);
    let at_ms = NOW_MS + i64::from(number) * 1000;
    let mut page = mailbox.page(0, 0);
    let json = serde_json::json!({
        "text": "a new one", "timestamp": at_ms, "sender": "Ada Example 0", "message_type": "TEXT",
        "sender_info": {"first_name": "Ada", "last_name": "Example 0"}, "entity_urn": format!("new {number}"),
    });
    let raw: Box<RawValue> = serde_json::from_str(&json.to_string()).unwrap();
    page.messages = timestamps::place(vec![raw::read(&raw).unwrap()], None);
    page.returned = 1;
    page.below = Below::More(Cursor::made(at_ms));
    store_page(store, &Purse::default(), run, &target, gap, &page);
    let stored = Instant::now();
    store.finish_run(run, Outcome::Complete, NOW_MS).unwrap();
    stored
}

/// Looks at the newest page of each conversation.
pub fn look(mailbox: &Mailbox, store: &mut Store) -> Spent {
    visit(mailbox, store, 1)
}

/// Asks for so many pages of each conversation.
fn visit(mailbox: &Mailbox, store: &mut Store, pages: u32) -> Spent {
    let mut spent = Spent::default();
    let ids = store.configure(&mailbox.configured(), NOW_MS).unwrap();
    let targets = store.targets(&ids).unwrap();
    let run = store.begin_run(Trigger::Once, NOW_MS).unwrap();
    let purse = Purse::default();
    let mut gaps: Vec<Option<Gap>> = targets
        .iter()
        .map(|t| &t.plan.timeline)
        .map(|t| Some(t.gaps.first().cloned().unwrap_or_else(|| Gap::head(t.newest_ms, NOW_MS))))
        .collect();
    for page in 0..pages {
        for ((at, target), gap) in targets.iter().enumerate().zip(&mut gaps) {
            let Some(asked) = gap.take() else { continue };
            let page = mailbox.page(u32::try_from(at).unwrap(), page * (PAGE - 1));
            *gap = spent.on(|| store_page(store, &purse, run, target, asked, &page));
        }
    }
    spent.on(|| store.finish_run(run, Outcome::Complete, NOW_MS).unwrap());
    assert!(gaps.iter().all(Option::is_none), "the archive believes this server");
    spent
}

/// Pays for a page and stores it; returns what it leaves to ask for.
fn store_page(
    store: &mut Store,
    purse: &Purse,
    run: RunId,
    target: &Target,
    gap: Gap,
    page: &Page,
) -> Option<Gap> {
    let request = Request {
        run,
        account: target.account_id,
        endpoint: "bench",
        conversation: Some(target.plan.id),
        purpose: Purpose::Gap,
        wanted: PAGE,
    };
    let reservation = store.reserve(purse, &request, NOW_MS).unwrap().unwrap();
    let asked = Asked { cursor: gap.cursor_to_send(), gap, count: PAGE, most: u32::MAX, run };
    let receipt = reservation.spend(Charge::Known(price(page.returned)));
    let commit = Commit {
        conversation: target.plan.id,
        asked: &asked,
        page,
        receipt: &receipt,
        http_status: Some(200),
        now: NOW_MS,
        recheck: false,
        longest_silence: 64,
    };
    let done = store.commit_page(&commit).unwrap();
    assert_eq!((done.stall, done.gone, done.edited), (None, 0, 0));
    done.timeline.gaps.first().cloned()
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
