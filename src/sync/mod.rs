//! The engine: plan, reserve, fetch, write, report. The only place where the API and the archive meet.

mod archive;
mod book;
mod commit;
mod engine;
mod funds;
mod report;
mod select;
mod settings;
mod stop;

pub use archive::Archive;
pub use engine::run;
pub use report::{BalanceReport, ConversationReport, CreditsLeft, InboxReport, Report, Trouble};
pub use select::{SelectError, select};
pub use settings::{NoProgress, Observer, RunError, Settings};
pub use stop::{Stop, Stopper};
