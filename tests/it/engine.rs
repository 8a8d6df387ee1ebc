//! The engine over the real client, a real archive and the fake API, all on one runtime.

mod budgets;
mod changes;
mod contrary;
mod costs;
mod evidence;
mod forms;
mod inbox;
mod money;
mod month;
mod relay;
mod stalls;
mod ties;
mod wanted;
mod watching;
pub(crate) mod world;
