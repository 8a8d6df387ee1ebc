//! Who wrote when, in few bytes: the messages of a stretch of a conversation as the archive keeps them for figures.
//!
//! Oldest first, each message is the time since the one before it and who wrote it: one of the three who wrote last, or
//! another. Two bits tell which, so that a message takes three or four bytes.

use crate::core::Ms;
use crate::core::model::ids::PersonId;

/// When a message was sent, and by whom.
pub type Line = (Ms, PersonId);

/// Those who wrote last, the last one first.
#[derive(Debug, Default)]
struct Recent([Option<PersonId>; 3]);

impl Recent {
    /// The place of a sender, which then is the first; 3: there is none.
    fn place(&mut self, sender: PersonId) -> u8 {
        let Self([first, second, third]) = self;
        if *first == Some(sender) {
            return 0;
        }
        let place = if *second == Some(sender) {
            1
        } else if *third == Some(sender) {
            2
        } else {
            3
        };
        if place != 1 {
            *third = *second;
        }
        *second = *first;
        *first = Some(sender);
        place
    }

    /// Whoever is at a place, who then is the first.
    fn at(&mut self, place: u128) -> Option<PersonId> {
        let Self([first, second, third]) = self;
        let sender = match place {
            0 => *first,
            1 => *second,
            _ => *third,
        }?;
        self.place(sender);
        Some(sender)
    }
}

/// Lines that are in the order of time.
#[must_use]
pub fn encode(lines: &[Line]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(lines.len().saturating_mul(4));
    let mut recent = Recent::default();
    let mut before = lines.first().map_or(0, |line| line.0);
    for (at, sender) in lines {
        let place = recent.place(*sender);
        let apart = u128::from(at.abs_diff(before));
        put(&mut bytes, (apart << 2) | u128::from(place));
        if place == 3 {
            put(&mut bytes, u128::from(sender.0.cast_unsigned()));
        }
        before = *at;
    }
    bytes
}

/// Shows the lines of bytes, of which the first is of this time; `None` if they are not what [`encode`] makes.
pub fn decode(first_ms: Ms, mut bytes: &[u8], mut each: impl FnMut(Line)) -> Option<()> {
    let mut recent = Recent::default();
    let mut at = first_ms;
    while !bytes.is_empty() {
        let number = take(&mut bytes)?;
        at = at.checked_add_unsigned(u64::try_from(number >> 2).ok()?)?;
        let sender = match number & 3 {
            3 => {
                let sender = PersonId(u64::try_from(take(&mut bytes)?).ok()?.cast_signed());
                recent.place(sender);
                sender
            }
            place => recent.at(place)?,
        };
        each((at, sender));
    }
    Some(())
}

/// Seven bits a byte, the lowest first.
fn put(bytes: &mut Vec<u8>, mut number: u128) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

fn take(bytes: &mut &[u8]) -> Option<u128> {
    let mut number = 0_u128;
    for place in 0..19_u32 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u128::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(lines: &[Line]) -> Option<Vec<Line>> {
        let mut all = Vec::new();
        decode(lines.first().map_or(0, |line| line.0), &encode(lines), |line| all.push(line))?;
        Some(all)
    }

    #[test]
    fn lines_come_back_as_they_were() {
        let of = |rows: &[(Ms, i64)]| rows.iter().map(|(at, who)| (*at, PersonId(*who))).collect::<Vec<_>>();
        for rows in [
            vec![],
            vec![(0, 1)],
            vec![(Ms::MIN, 1), (Ms::MAX, i64::MAX)],
            vec![(-5, 1), (-5, 2), (0, 1), (9, 3), (9, 4), (10, 1), (10, 2), (10, 3), (11, 2), (11, 4)],
        ] {
            let lines = of(&rows);
            assert_eq!(back(&lines), Some(lines));
        }
        let mut seed = 1_u64;
        let mut drawn = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed ^ (seed >> 29)).cast_signed()
        };
        for length in 0..200 {
            let mut lines: Vec<Line> =
                (0..length).map(|_| (drawn(), PersonId(drawn().rem_euclid(6)))).collect();
            lines.sort_unstable();
            assert_eq!(back(&lines), Some(lines));
        }
    }

    #[test]
    fn a_talk_of_two_takes_less_than_four_bytes_a_message() {
        let lines: Vec<Line> =
            (0..100).map(|n| (1_700_000_000_000 + n * 150_000, PersonId(1 + n % 2))).collect();
        assert!(encode(&lines).len() < 400, "{}", encode(&lines).len());
    }

    #[test]
    fn what_is_something_else_is_not_read() {
        for bytes in [
            vec![0x80],
            vec![1],
            vec![0xff; 40],
            vec![3],
            vec![0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ] {
            assert_eq!(decode(0, &bytes, |_| ()), None, "{bytes:?}");
        }
    }
}
