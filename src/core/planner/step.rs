//! One request of the plan, as the engine makes it and as people and scripts read it.

use std::fmt;

use chrono::DateTime;
use serde::Serialize;

use crate::core::Ms;
use crate::core::budget::price;
use crate::core::planner::next::HEAD_COUNT;
use crate::core::planner::state::Subject;
use crate::core::timeline::gap::Gap;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// A look at what is new above all that is known.
    Head,
    /// A page of what is missing.
    Gap,
    /// A second reading of what is stored, for edits and deletions.
    Recheck,
}

/// One request to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Whose page.
    pub whom: Subject,
    /// Index of the account in the configuration.
    pub account: usize,
    /// What to call it.
    pub name: String,
    /// The gap to ask for; for anything but a gap one of id 0 that says where to ask.
    pub gap: Gap,
    /// Messages to ask for: a multiple of 10.
    pub count: u32,
    /// What for.
    pub kind: StepKind,
}

impl Step {
    /// The fewest messages that this request makes sense with.
    #[must_use]
    pub fn smallest(&self) -> u32 {
        self.count.min(HEAD_COUNT.max(self.gap.ask_at_least))
    }

    /// The most that this request can cost.
    #[must_use]
    pub fn credits_max(&self) -> u32 {
        price(self.count)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |ms: Ms| {
            DateTime::from_timestamp_millis(ms)
                .map_or_else(|| ms.to_string(), |t| t.format("%F %R").to_string())
        };
        let (name, count, credits) = (&self.name, self.count, self.credits_max());
        let credits = if credits == 1 { "1 credit".to_owned() } else { format!("{credits} credits") };
        if let Subject::Inbox(_) = self.whom {
            let what = if self.kind == StepKind::Head { "see what is new" } else { "walk down" };
            return write!(f, "inbox of {name}: {what}, {count} conversations, {credits} at most");
        }
        match self.kind {
            StepKind::Head => {
                return write!(f, "{name}: see what is new, the {count} newest messages, {credits} at most");
            }
            StepKind::Recheck => {
                let from = self.gap.newer_ms.map_or_else(|| "now".to_owned(), time);
                return write!(
                    f,
                    "{name}: read again from {from} downward, {count} messages, {credits} at most"
                );
            }
            StepKind::Gap => {}
        }
        match (self.gap.newer_ms, self.gap.older_ms) {
            (None, None) => write!(f, "{name}: begin, the {count} newest messages, {credits} at most"),
            (None, Some(older)) => write!(
                f,
                "{name}: fill from now down to {}, {count} messages, {credits} at most",
                time(older)
            ),
            (Some(newer), None) => write!(
                f,
                "{name}: fill from {} down to the beginning, {count} messages, {credits} at most",
                time(newer)
            ),
            (Some(newer), Some(older)) => {
                write!(
                    f,
                    "{name}: fill from {} down to {}, {count} messages, {credits} at most",
                    time(newer),
                    time(older)
                )
            }
        }
    }
}

/// A step as scripts see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// What to call the conversation.
    pub conversation: String,
    /// `inbox`, `head`, `gap` or `recheck`.
    pub kind: &'static str,
    /// Upper edge of what is missing (ms), null for now.
    pub newer_ms: Option<Ms>,
    /// Lower edge of what is missing (ms), null for the beginning.
    pub older_ms: Option<Ms>,
    /// Messages asked for.
    pub count: u32,
    /// The most it can cost.
    pub credits_max: u32,
}

impl From<&Step> for PlannedStep {
    fn from(step: &Step) -> Self {
        Self {
            conversation: step.name.clone(),
            kind: match step.whom {
                Subject::Inbox(_) => "inbox",
                Subject::Conversation(_) => match step.kind {
                    StepKind::Head => "head",
                    StepKind::Gap => "gap",
                    StepKind::Recheck => "recheck",
                },
            },
            newer_ms: step.gap.newer_ms,
            older_ms: step.gap.older_ms,
            count: step.count,
            credits_max: step.credits_max(),
        }
    }
}
