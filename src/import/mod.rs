//! History from files: reads what the user has already, and stores it without asking anybody.

pub mod linkedin;
