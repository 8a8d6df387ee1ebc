//! The transaction log of Delta Lake: what a table holds, and how it changes, exactly once.
//!
//! Protocol: <https://github.com/delta-io/delta/blob/master/PROTOCOL.md>, reader 1 and writer 2.

pub mod action;
pub mod checkpoint_read;
pub mod checkpoint_write;
pub mod commit;
pub mod log_file;
pub mod path;
pub mod refusal;
pub mod replay;
pub mod table;
pub mod upkeep;

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::lake::LakeError;

/// A random GUID (version 4): of a table, or of an attempt to commit.
///
/// # Errors
/// When the system has no randomness.
pub fn random_guid() -> Result<String, LakeError> {
    let mut random = [0_u8; 16];
    let none = |_| LakeError::refused("the system has no randomness", "restart the system and try again");
    SystemRandom::new().fill(&mut random).map_err(none)?;
    let number = u128::from_be_bytes(random);
    let number = number & !(0xF000_u128 << 64 | 0xC000_u128 << 48) | 0x4000_u128 << 64 | 0x8000_u128 << 48;
    let hex = format!("{number:032x}");
    let (a, rest) = hex.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    Ok([a, b, c, d, e].join("-"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn guids_are_of_version_4_and_differ() {
        let guid = super::random_guid().unwrap();
        assert_eq!(guid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{guid}");
        assert_eq!(guid.as_bytes()[14], b'4', "{guid}");
        assert!(b"89ab".contains(&guid.as_bytes()[19]), "{guid}");
        assert_ne!(guid, super::random_guid().unwrap());
    }
}
