//! The one hash of this program: FNV-1a. Hashes are stored, so it must never change.

/// FNV-1a of these bytes.
pub(crate) fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes
        .into_iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The hash of a text as the archive stores it: never negative.
pub(crate) fn of_text(text: &str) -> i64 {
    i64::try_from(fnv1a(text.bytes()) >> 1).unwrap_or(i64::MAX)
}
