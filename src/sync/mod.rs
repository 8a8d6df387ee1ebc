//! The engine: plan, reserve, fetch, write, report. The only place where the API and the archive meet.

mod archive;
mod book;
mod engine;
mod report;
mod select;
mod stop;

pub use crate::core::select::SelectError;
pub use archive::Archive;
pub use engine::{NoProgress, Observer, RunError, Settings, run};
pub use report::{ConversationReport, CreditsLeft, InboxReport, Report, Trouble};
pub use select::select;
pub use stop::{Stop, Stopper};
