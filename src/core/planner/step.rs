//! One request of the plan, as the engine makes it and as people and scripts read it.

use std::fmt;

use chrono::DateTime;
use serde::Serialize;

use crate::core::Ms;
use crate::core::budget::price;
use crate::core::format::plural;
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
    /// Whether the conversation is asked for by the profile of the other side, because its id is not known yet.
    pub by_profile: bool,
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
        let time = |at: Option<Ms>, open: &str| match at.map(DateTime::from_timestamp_millis) {
            Some(time) => time.unwrap_or_default().format("%F %R").to_string(),
            None => open.to_owned(),
        };
        let (newer, older) = (self.gap.newer_ms, self.gap.older_ms);
        let what = match (self.whom, self.kind) {
            (_, StepKind::Head) => "see what is new".to_owned(),
            (Subject::Inbox(_), StepKind::Recheck) => "read again from the top".to_owned(),
            (Subject::Inbox(_), StepKind::Gap) => "walk down".to_owned(),
            (_, StepKind::Recheck) => format!("read again from {} downward", time(newer, "now")),
            (_, StepKind::Gap) if (newer, older) == (None, None) => "begin".to_owned(),
            (_, StepKind::Gap) => {
                format!("fill from {} down to {}", time(newer, "now"), time(older, "the beginning"))
            }
        };
        let newest = matches!(self.kind, StepKind::Head) || (newer, older) == (None, None);
        let items = match self.whom {
            Subject::Inbox(_) => format!("{} conversations", self.count),
            Subject::Conversation(_) if newest => format!("the {} newest messages", self.count),
            Subject::Conversation(_) => format!("{} messages", self.count),
        };
        let of = if matches!(self.whom, Subject::Inbox(_)) { "inbox of " } else { "" };
        write!(f, "{of}{}: {what}, {items}, {} at most", self.name, plural(self.credits_max(), "credit"))
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
