//! The member's own export from LinkedIn: its rows, what they cover, and which served messages they are.

pub mod matching;
pub mod rows;
