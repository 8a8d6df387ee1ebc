//! What the sizes of requests cost: the planner against fixed page sizes, on the same mailbox, in credits.
//!
//! `cargo bench -p archiver-bench --bench planner` prints the credits of a first archive and of a lively month, then measures how long
//! deciding on a request takes.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark that panics has failed, and its numbers are small"
)]

use std::hint::black_box;

use archiver::core::Ms;
use archiver::core::budget::price;
use archiver::core::model::cursor::Cursor;
use archiver::core::model::ids::{MessageId, RunId};
use archiver::core::model::message::{Message, Sender};
use archiver::core::model::page::{Below, Page};
use archiver::core::planner::page_size;
use archiver::core::planner::state::Hints;
use archiver::core::raw::Raw;
use archiver::core::timeline::apply::{self, Update};
use archiver::core::timeline::gap::{Asked, Gap, Timeline};
use archiver::core::timeline::identity::{Change, Known, Stored, Window};
use criterion::{Criterion, criterion_group, criterion_main};
use fastrand::Rng;

const SEEDS: u64 = 20;
const CONVERSATIONS: usize = 120;
const NEWS: usize = 400;
const PAGE_SIZE: u32 = 50;
const MINUTE: Ms = 60_000;

/// A conversation as the server has it, and how much of it is archived.
struct Conversation {
    /// Times of all messages, oldest first.
    there: Vec<Ms>,
    timeline: Timeline,
    stored: Vec<Stored>,
    served_total: Option<i64>,
}

fn message(at_ms: Ms) -> Message {
    let (sender, kind, raw) = (Sender::default(), "TEXT".to_owned(), Raw::default());
    Message {
        urn: Some(at_ms.to_string()),
        at_ms,
        derived_time: false,
        untrusted_ms: None,
        sender,
        kind,
        text: String::new(),
        raw,
    }
}

impl Conversation {
    fn new(there: Vec<Ms>) -> Self {
        Self { there, timeline: Timeline::unknown(0), stored: Vec::new(), served_total: None }
    }

    /// What the server answers; `counts` as v2 does.
    fn page(&self, below: Option<Ms>, count: u32, counts: bool) -> Page {
        let end = below.map_or(self.there.len(), |below| self.there.partition_point(|at| *at < below));
        let begin = end.saturating_sub(count as usize);
        let messages: Vec<Message> = self.there[begin..end].iter().rev().map(|at| message(*at)).collect();
        let below = match begin {
            0 => Below::End,
            _ => Below::More(Cursor::made(self.there[begin])),
        };
        Page {
            returned: messages.len() as u32,
            messages,
            below,
            conversation_urn: None,
            total: counts.then_some(self.there.len() as i64),
            unread: None,
            last_seen_ms: None,
            oddities: vec![],
        }
    }

    /// Asks until nothing is missing, as the engine does, and returns the credits.
    fn fill(&mut self, unread: i64, counts: bool) -> u32 {
        let mut credits = 0;
        if self.timeline.gaps.is_empty() {
            self.timeline.gaps.push(Gap::head(self.timeline.newest_ms, 0));
        }
        while let Some(gap) = self.timeline.gaps.first().cloned() {
            let hints = Hints { served_total: self.served_total, news_at_least: unread };
            let count = page_size::ask(&self.timeline, &hints, &gap, PAGE_SIZE);
            let cursor = gap.cursor_to_send();
            let page = self.page(cursor.as_ref().and_then(Cursor::number), count, counts);
            credits += price(page.returned);
            self.served_total = page.total;
            let asked = Asked { gap, cursor, count, most: u32::MAX, run: RunId(1) };
            let Window { lo, hi, .. } = Window::of(&asked, &page);
            let near = self.stored.iter().rev().filter(|s| (lo..=hi).contains(&s.message.at_ms));
            let known = Known { near: near.cloned().collect(), below: vec![] };
            for update in apply::apply(&self.timeline, &asked, &page, &known, 1) {
                match update {
                    Update::Message(Change::Insert(index)) => {
                        let message = page.messages[index].clone();
                        let id = MessageId(message.at_ms);
                        self.stored.push(Stored { id, message, gone: false, exported: false, erased: false });
                    }
                    Update::Gaps(gaps) => self.timeline.gaps = gaps,
                    Update::Beginning { seen } => self.timeline.beginning_seen = seen,
                    _ => {}
                }
            }
            self.stored.sort_by_key(|s| s.message.at_ms);
            self.timeline.newest_ms = self.stored.last().map(|s| s.message.at_ms);
            self.timeline.oldest_ms = self.stored.first().map(|s| s.message.at_ms);
            self.timeline.messages = self.stored.len() as i64;
        }
        assert_eq!(self.stored.len(), self.there.len(), "nothing is left out");
        credits
    }
}

/// Pages of a fixed size from the newest message down to one that is stored already.
fn fixed(size: u32, new: usize, old: usize) -> u32 {
    let mut credits = 0;
    let mut got = 0;
    loop {
        let returned = (size as usize).min(new + old - got);
        credits += price(returned as u32);
        got += returned;
        if got > new || got == new + old {
            return credits;
        }
        // The message at the border is shown again.
        got -= 1;
    }
}

/// How many messages come at once: mostly few, seldom many.
fn burst(rng: &mut Rng) -> usize {
    (1.0 / rng.f64().max(0.005)).powf(0.9) as usize
}

fn compare() {
    let sizes = [10, 20, 50, 100];
    let mut first = vec![0_u32; 3 + sizes.len()];
    let mut month = first.clone();
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let lengths: Vec<usize> = (0..CONVERSATIONS).map(|_| burst(&mut rng) * 4).collect();
        let times = |n: usize| (1..=n as i64).map(|i| i * MINUTE).collect::<Vec<Ms>>();
        let mut v1: Vec<Conversation> = lengths.iter().map(|n| Conversation::new(times(*n))).collect();
        let mut v2: Vec<Conversation> = lengths.iter().map(|n| Conversation::new(times(*n))).collect();
        for (at, n) in lengths.iter().enumerate() {
            first[0] += price(*n as u32);
            first[1] += v1[at].fill(0, false);
            first[2] += v2[at].fill(0, true);
            for (sum, size) in first[3..].iter_mut().zip(sizes) {
                *sum += fixed(size, *n, 0);
            }
        }
        for _ in 0..NEWS {
            let at = rng.usize(..CONVERSATIONS);
            let (new, old) = (burst(&mut rng), v1[at].there.len());
            let last = v1[at].there.last().copied().unwrap_or_default();
            let fresh: Vec<Ms> = (1..=new as i64).map(|i| last + MINUTE * 1000 + i * 977).collect();
            v1[at].there.extend(&fresh);
            v2[at].there.extend(&fresh);
            // Some of them are one's own, and never unread.
            let unread = rng.usize(0..=new) as i64;
            month[0] += price(new as u32);
            month[1] += v1[at].fill(unread, false);
            month[2] += v2[at].fill(unread, true);
            for (sum, size) in month[3..].iter_mut().zip(sizes) {
                *sum += fixed(size, new, old);
            }
        }
    }
    let names = ["least possible", "planner, v1", "planner, v2", "pages of 10", "of 20", "of 50", "of 100"];
    println!("{:<16} {:>14} {:>14}", "credits", "first archive", "lively months");
    for (at, name) in names.iter().enumerate() {
        let over = |sum: &[u32]| 100.0 * (f64::from(sum[at]) / f64::from(sum[0]) - 1.0);
        println!(
            "{name:<16} {:>6} {:>+6.1} % {:>6} {:>+6.1} %",
            first[at],
            over(&first),
            month[at],
            over(&month)
        );
    }
}

fn bench(c: &mut Criterion) {
    compare();
    let mut conversation = Conversation::new((1..=500).map(|i| i * MINUTE).collect());
    conversation.fill(0, false);
    conversation.timeline.gaps.push(Gap::head(conversation.timeline.newest_ms, 0));
    let gap = conversation.timeline.gaps[0].clone();
    let hints = Hints { served_total: Some(520), news_at_least: 3 };
    c.bench_function("size of a request", |b| {
        b.iter(|| {
            page_size::ask(black_box(&conversation.timeline), black_box(&hints), black_box(&gap), PAGE_SIZE)
        })
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
