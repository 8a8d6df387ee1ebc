//! The engine: plan, reserve, fetch, write, report. The only place where the API and the archive meet.

mod archive;
mod book;
mod engine;
mod report;
mod select;
mod stop;

pub use archive::Archive;
pub use engine::{NoProgress, Observer, RunError, Settings, run};
pub use report::{ConversationReport, CreditsLeft, InboxReport, Refused, Report, Trouble};
pub use select::{SelectError, select};
pub use stop::{Stop, Stopper};
