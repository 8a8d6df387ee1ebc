//! Which event a sink gets next: an alert, one change, or many changes as a digest or a summary.

use crate::core::Ms;
use crate::core::model::change_kind::ChangeKind;
use crate::core::model::ids::{ConversationId, MessageId};

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// A change of a message.
    Change(ChangeKind),
    /// Something that needs a person.
    Alert,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Change(ChangeKind::New),
        Self::Change(ChangeKind::Edited),
        Self::Change(ChangeKind::Gone),
        Self::Change(ChangeKind::Back),
        Self::Alert,
    ];

    /// As the configuration names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Change(kind) => kind.as_str(),
            Self::Alert => "alert",
        }
    }
}

/// A change of a message that waits for a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingChange {
    /// Its number.
    pub seq: i64,
    /// What happened.
    pub kind: ChangeKind,
    /// When it was stored (ms).
    pub at_ms: Ms,
    /// The message.
    pub message: MessageId,
    /// The conversation that it is in.
    pub conversation: ConversationId,
}

/// How changes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BatchForm {
    /// One by one.
    Single,
    /// Several at once, each with what it says.
    Digest,
    /// Only how many there were, and where.
    Summary,
}

impl BatchForm {
    /// As the archive names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Digest => "digest",
            Self::Summary => "summary",
        }
    }

    /// The form of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Single, Self::Digest, Self::Summary].into_iter().find(|form| form.as_str() == name)
    }
}

/// What decides how changes are sent to a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRules {
    /// More changes than this at once are a summary; 0: never.
    pub summary_over: usize,
    /// Whether several changes go together otherwise, too.
    pub digest: bool,
}

/// What a sink is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// What was being sent to it when that was last noted: the last change of that, and its form.
    pub open: Option<(i64, BatchForm)>,
    /// Whether a run is under way, so that more may come at any moment.
    pub run_under_way: bool,
}

/// What to do next for a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextDelivery {
    /// Nothing.
    Nothing,
    /// Nothing before this moment (ms), unless the run ends earlier.
    Wait(Ms),
    /// Send the alert of this number.
    Notice(i64),
    /// Send this change.
    Change(PendingChange),
    /// Send the changes up to this number.
    Batch {
        /// How.
        form: BatchForm,
        /// The last of them.
        to: i64,
    },
}

/// While a run is under way its changes wait for each other: so long, or so long where they are too many to be sent one
/// by one anyway.
const HOLD: Ms = 60_000;
const HOLD_MANY: Ms = 60 * 60_000;

/// No digest holds more changes than this; the next one goes on.
const DIGEST_MOST: usize = 100;

/// What a sink gets next. `pending` are the changes that wait, in their order, `notice` is the first alert that does.
#[must_use]
pub fn next<'p>(
    pending: impl ExactSizeIterator<Item = &'p PendingChange> + Clone,
    notice: Option<i64>,
    standing: &Standing,
    rules: &BatchRules,
    now: Ms,
) -> NextDelivery {
    if let Some(id) = notice {
        return NextDelivery::Notice(id);
    }
    let Some(first) = pending.clone().next() else { return NextDelivery::Nothing };
    // What was begun is sent again as it was, so that its id stays the same.
    match standing.open.filter(|(to, _)| first.seq <= *to) {
        Some((_, BatchForm::Single)) => return NextDelivery::Change(*first),
        Some((to, form)) => return NextDelivery::Batch { form, to },
        None => {}
    }
    let many = rules.summary_over > 0 && pending.len() > rules.summary_over;
    let until = first.at_ms.saturating_add(if many { HOLD_MANY } else { HOLD });
    // A moment further away than that is one of a clock that was set back.
    if standing.run_under_way && (first.at_ms..until).contains(&now) {
        return NextDelivery::Wait(until);
    }
    let (form, most) = match pending.len() {
        all if many => (BatchForm::Summary, all),
        all @ 2.. if rules.digest => (BatchForm::Digest, all.min(DIGEST_MOST)),
        _ => return NextDelivery::Change(*first),
    };
    let last = pending.clone().nth(most.saturating_sub(1));
    NextDelivery::Batch { form, to: last.map_or(first.seq, |last| last.seq) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    const NOW: Ms = 1_800_000_000_000;

    fn changes(count: i64, at_ms: Ms) -> Vec<PendingChange> {
        let one = |seq: i64| PendingChange {
            seq,
            kind: ChangeKind::New,
            at_ms,
            message: MessageId(seq),
            conversation: ConversationId(seq % 3),
        };
        (1..=count).map(one).collect()
    }

    fn rules(digest: bool) -> BatchRules {
        BatchRules { summary_over: 10, digest }
    }

    #[test]
    fn few_changes_are_sent_one_by_one_or_in_a_digest_and_many_in_a_summary() {
        let idle = Standing::default();
        let next = |count, digest| next(changes(count, NOW).iter(), None, &idle, &rules(digest), NOW);
        assert_eq!(next(0, false), NextDelivery::Nothing);
        assert_eq!(next(10, false), NextDelivery::Change(changes(1, NOW)[0]));
        assert_eq!(next(1, true), NextDelivery::Change(changes(1, NOW)[0]));
        assert_eq!(next(10, true), NextDelivery::Batch { form: BatchForm::Digest, to: 10 });
        for digest in [false, true] {
            assert_eq!(next(11, digest), NextDelivery::Batch { form: BatchForm::Summary, to: 11 });
        }
    }

    #[test]
    fn an_alert_comes_first_and_without_a_threshold_nothing_is_summed_up() {
        let running = Standing { run_under_way: true, ..Standing::default() };
        let never = BatchRules { summary_over: 0, digest: false };
        assert_eq!(next(changes(500, NOW).iter(), Some(4), &running, &never, NOW), NextDelivery::Notice(4));
        let idle = Standing::default();
        let first = changes(1, NOW)[0];
        assert_eq!(next(changes(500, NOW).iter(), None, &idle, &never, NOW), NextDelivery::Change(first));
    }

    #[test]
    fn no_digest_is_without_bound() {
        let idle = Standing::default();
        for summary_over in [0, 10_000] {
            let rules = BatchRules { summary_over, digest: true };
            let next = next(changes(250, NOW).iter(), None, &idle, &rules, NOW);
            assert_eq!(next, NextDelivery::Batch { form: BatchForm::Digest, to: 100 });
        }
    }

    #[test]
    fn changes_wait_for_the_end_of_the_run_but_not_for_ever() {
        let running = Standing { run_under_way: true, ..Standing::default() };
        let at = |count, now| next(changes(count, NOW).iter(), None, &running, &rules(false), now);
        assert_eq!(at(2, NOW + 1), NextDelivery::Wait(NOW + HOLD));
        assert_eq!(at(2, NOW + HOLD), NextDelivery::Change(changes(1, NOW)[0]));
        assert_eq!(at(11, NOW + HOLD), NextDelivery::Wait(NOW + HOLD_MANY));
        assert_eq!(at(11, NOW + HOLD_MANY), NextDelivery::Batch { form: BatchForm::Summary, to: 11 });
        assert_eq!(at(2, NOW - 1), NextDelivery::Change(changes(1, NOW)[0]), "the clock was set back");
    }

    proptest! {
        #[test]
        fn what_was_begun_is_sent_again_as_it_was(
            count in 1..40_i64, more in 0..40_i64, digest: bool, running: bool, later in 0..10 * HOLD_MANY
        ) {
            let idle = Standing { run_under_way: false, ..Standing::default() };
            let sent = next(changes(count, NOW).iter(), None, &idle, &rules(digest), NOW);
            let open = match sent {
                NextDelivery::Batch { form, to } => Some((to, form)),
                _ => Some((1, BatchForm::Single)),
            };
            let begun = Standing { open, run_under_way: running };
            let again = next(changes(count + more, NOW).iter(), None, &begun, &rules(digest), NOW + later);
            prop_assert_eq!(again, sent);
        }

        #[test]
        fn no_change_is_passed_over(
            gaps in vec(1..5_i64, 1..150), begun in 0..200_i64,
            form in select(vec![BatchForm::Single, BatchForm::Digest, BatchForm::Summary]),
            summary_over in 0..150_usize, digest: bool, running: bool,
        ) {
            let mut seq = 0;
            let mut pending = changes(i64::try_from(gaps.len()).unwrap(), NOW);
            for (change, gap) in pending.iter_mut().zip(gaps) {
                seq += gap;
                change.seq = seq;
            }
            let rules = BatchRules { summary_over, digest };
            let mut open = Some((begun, form)).filter(|(to, _)| *to > 0);
            while !pending.is_empty() {
                let standing = Standing { open: open.take(), run_under_way: running };
                let begun = standing.open.filter(|(to, _)| pending[0].seq <= *to);
                let covered = match next(pending.iter(), None, &standing, &rules, NOW + 2 * HOLD_MANY) {
                    NextDelivery::Change(change) => {
                        prop_assert_eq!(change, pending[0], "the first");
                        1
                    }
                    NextDelivery::Batch { form, to } => {
                        // What was begun may have covered changes that are gone. Otherwise it ends with one that is there:
                        // what comes later has a higher number.
                        let is_there = pending.iter().any(|change| change.seq == to);
                        prop_assert!(is_there || begun == Some((to, form)), "{:?} {}", form, to);
                        pending.partition_point(|change| change.seq <= to)
                    }
                    other => return Err(TestCaseError::fail(format!("{other:?}"))),
                };
                prop_assert!(covered > 0, "nothing is delivered");
                let is_single = |form| matches!(form, BatchForm::Single);
                prop_assert!(covered == 1 || begun.is_none_or(|(_, form)| !is_single(form)));
                pending.drain(..covered);
            }
        }
    }
}
