//! What the wild does beyond faults: clocks that are wrong, cursors that rise, URNs that change their spelling, items of
//! other threads, another person's mailbox, campaigns, late messages, prices that lie. Drawn apart from the rest, so that
//! a seed's ordinary history stays what it was.

use archiver::core::Ms;
use archiver::core::raw::{Raw, mark};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use fastrand::Rng;

pub(crate) const HOUR_MS: Ms = 3_600_000;

/// What is wild about a world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wild {
    /// Whether all that is over.
    pub(crate) calm: bool,
    /// Message URNs have the API's form, with the time of creation and the thread in them.
    pub(crate) told: bool,
    /// Chance in 256 that a message is dated ahead.
    pub(crate) ahead: u8,
    /// Whether the URN of such a message says the same.
    pub(crate) ahead_urn: bool,
    /// Whether the inbox goes by such times: its last message is the latest one, not the one that came last.
    pub(crate) by_time: bool,
    /// Whether all times are wrong by this much from time to time.
    pub(crate) shifts: Option<Ms>,
    /// By how much they are wrong now.
    pub(crate) shift: Ms,
    /// The next cursor may lie far in the future.
    pub(crate) cursor_up: bool,
    /// The last page names one more cursor.
    pub(crate) endless: bool,
    /// Messages may turn up late, below newer ones.
    pub(crate) late: bool,
    /// The spelling of URNs changes.
    pub(crate) respelled: bool,
    /// Pages may hold items of other threads.
    pub(crate) strangers: bool,
    /// The session may for a while be another person's.
    pub(crate) imposter: bool,
    /// Whether it is now.
    pub(crate) imposing: bool,
    /// Many conversations may get a message in the same millisecond.
    pub(crate) campaigns: bool,
    /// An older copy of the archive may take its place.
    pub(crate) restores: bool,
    /// The price that v2 tells, whatever it charges.
    pub(crate) tells: Option<u32>,
    /// Something else spends from the same balance.
    pub(crate) foreign: bool,
    /// Pages of conversations may lag behind the inbox.
    pub(crate) lags: bool,
    /// Conversations may move up in the inbox without a new message.
    pub(crate) moves: bool,
    /// Conversations may leave the inbox and come back.
    pub(crate) leaves: bool,
    /// The inbox's cursor tells when the last conversation of its page was active.
    pub(crate) tells_activity: bool,
    /// What the inbox does by itself is drawn from this.
    pub(crate) moods: u64,
}

impl Wild {
    /// Half of all worlds are tame; of the others most are wild in one way.
    pub(crate) fn draw(seed: u64, urns: bool) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x1d_1e57);
        let mut wild = Self::default();
        if rng.bool() {
            return wild;
        }
        wild.told = urns && rng.u8(..) < 200;
        let by_time = Rng::with_seed(seed ^ 0xb7_71e).bool();
        for _ in 0..[1, 1, 1, 2, 3][rng.usize(0..5)] {
            match rng.u32(0..12) {
                0 | 1 => {
                    wild.ahead = [2, 5, 10][rng.usize(0..3)];
                    wild.ahead_urn = rng.bool();
                    wild.by_time = by_time;
                }
                2 if wild.told => wild.shifts = Some(HOUR_MS * rng.i64(1..4)),
                3 => wild.cursor_up = true,
                4 => wild.endless = true,
                5 => wild.late = urns,
                6 => wild.respelled = wild.told,
                7 => wild.strangers = wild.told,
                8 => wild.imposter = wild.told,
                9 => wild.campaigns = true,
                10 => wild.restores = true,
                11 if rng.bool() => wild.tells = Some([0, 1, 99_999][rng.usize(0..3)]),
                _ => wild.foreign = true,
            }
        }
        wild
    }

    /// An inbox with a life of its own, in a quarter of all worlds. Where it moves conversations up, its cursor tells when
    /// the last one of a page was active: nothing else does.
    pub(crate) fn with_lively_inbox(self, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x1_1b0c);
        let drawn = [rng.u8(..) < 30, rng.u8(..) < 25, rng.u8(..) < 25];
        let [lags, moves, leaves] = drawn;
        let tells_activity = moves || rng.bool();
        Self { lags, moves, leaves, tells_activity, moods: rng.u64(..), ..self }
    }

    /// Whether it is like any other.
    pub(crate) fn is_tame(&self) -> bool {
        let Self { ahead, shifts, cursor_up, endless, late, respelled, .. } = self;
        let Self { strangers, imposter, campaigns, restores, tells, foreign, .. } = self;
        let Self { lags, moves, leaves, .. } = self;
        let wild = [*ahead > 0, shifts.is_some(), *cursor_up, *endless, *late, *respelled];
        let wilder = [*strangers, *imposter, *campaigns, *restores, tells.is_some(), *foreign];
        let wildest = [*lags, *moves, *leaves];
        !wild.iter().chain(&wilder).chain(&wildest).any(|wild| *wild)
    }

    /// How far ahead of its time a message is dated, if it is.
    pub(crate) fn dated_ahead(&self, rng: &mut Rng) -> Ms {
        let ahead = self.ahead > 0 && !self.calm && rng.u8(..) < self.ahead;
        if ahead { HOUR_MS * [1, 72, 960][rng.usize(0..3)] } else { 0 }
    }
}

/// A message's JSON with a place for its time.
pub(crate) fn raw() -> Raw {
    Raw { template: format!("{{\"timestamp\":{}}}", mark::TIME), ..Raw::default() }
}

/// The thread of a conversation as the API names it.
pub(crate) fn thread(conversation: usize) -> String {
    format!("2-{}", STANDARD.encode(thread_id(conversation)))
}

fn thread_id(conversation: usize) -> String {
    format!("91c5e7ac-7b06-4ee0-a5c6-{conversation:012}_013")
}

/// A cursor of the inbox: what stands below this conversation, which was last active then.
pub(crate) fn inbox_cursor(active: Ms, conversation: usize, tells_activity: bool) -> String {
    let place = format!("DESCENDING&{active}&{conversation}");
    if tells_activity { STANDARD.encode(place) } else { place.replace('&', "/") }
}

/// When the conversation of a cursor was last active, and which it is.
pub(crate) fn read_inbox_cursor(cursor: &str, shift: Ms) -> (Ms, usize) {
    let told = STANDARD.decode(cursor).map(|place| String::from_utf8(place).unwrap());
    let place = told.unwrap_or_else(|_| cursor.to_owned());
    let parts: Vec<&str> = place.split(['&', '/']).collect();
    (parts[1].parse::<Ms>().unwrap() - shift, parts[2].parse().unwrap())
}

/// The conversation of a thread, however it is spelt.
pub(crate) fn conversation_of(thread: &str) -> usize {
    let id = STANDARD_NO_PAD.decode(thread.trim_start_matches("2-").trim_end_matches('=')).unwrap();
    let id = String::from_utf8(id).unwrap();
    id.get(24..36).unwrap().trim_start_matches('0').parse().unwrap_or(0)
}

/// A message's URN, in one of the spellings that there are.
pub(crate) fn message_urn(owner: &str, created: Ms, id: u32, conversation: usize, spelling: i64) -> String {
    let key = STANDARD.encode(format!("{created:013}b{id:05}-100&{}", thread_id(conversation)));
    let urn = format!("urn:li:msg_message:(urn:li:fsd_profile:{owner},2-{key})");
    match spelling % 4 {
        1 => urn.replace('=', ""),
        2 => format!("urn:li:MSG_MESSAGE:(urn:li:fsd_profile:{owner},2-{key})"),
        3 => urn.replace("msg_message", "fs_event"),
        _ => urn,
    }
}

/// The number of the message that a URN names, in any spelling.
pub(crate) fn id_of(urn: &str) -> u32 {
    if let Some(id) = urn.strip_prefix('u').and_then(|id| id.parse().ok()) {
        return id;
    }
    let key = urn.rsplit_once("2-").unwrap().1.trim_end_matches([')', '=']);
    let decoded = STANDARD_NO_PAD.decode(key).unwrap();
    String::from_utf8(decoded).unwrap().get(14..19).unwrap().parse().unwrap()
}
