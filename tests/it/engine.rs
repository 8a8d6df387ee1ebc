//! The engine over the real client, a real archive and the fake API, all on one runtime.

mod budgets;
mod changes;
mod costs;
mod relay;
mod stalls;
mod world;
