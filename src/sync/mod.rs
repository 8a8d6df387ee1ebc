//! The engine: plan, reserve, fetch, write, report. The only place where the API and the archive meet.

mod archive;
mod book;
mod commit;
mod engine;
pub mod events;
mod funds;
mod report;
mod select;
mod settings;
mod stop;

pub use crate::core::select::SelectError;
pub use archive::Archive;
pub use engine::run;
pub use report::{
    BalanceReport, ConversationReport, CreditsLeft, InboxReport, Reception, Refused, Report, Trouble,
};
pub use select::select;
pub use settings::{NoProgress, Observer, RunError, Settings};
pub use stop::{GRACE, Stop, Stopper};
