//! The member's own export from LinkedIn: its rows, what they cover, and which stored messages they are.

pub mod coverage;
pub mod dates;
pub mod matching;
pub mod rows;
pub mod samples;
