//! What the tests are written with, for both binaries: `it`, which needs nothing but a compiler, and `foreign`.

pub(crate) mod bench;
pub(crate) mod binary;
pub(crate) mod export;
