//! The engine: plan, reserve, fetch, write, report. The only place where the API and the archive meet.

mod apply;
mod archive;
mod belonging;
mod clock_check;
mod engine;
mod report;
mod request;
mod run_state;
mod select;
mod settings;
mod stop;
mod vendor_balance;
pub mod watch;
mod watch_days;
mod watch_end;

pub use crate::core::planner::target::SelectError;
pub use archive::Archive;
pub use engine::run;
pub use report::{BalanceReport, ConversationReport, CreditsLeft, InboxReport, Reception, Refusal, Report};
pub use select::select;
pub use settings::{NoProgress, Observer, RunError, Settings};
pub use stop::{Stop, Stopper};
