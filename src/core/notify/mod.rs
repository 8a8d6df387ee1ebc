//! Notifications: which event a sink gets next, by what name it is known, and when a sink that failed is tried again.

pub mod batch;
pub mod event_id;
pub mod retry;
