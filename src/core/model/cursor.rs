//! The server's paging cursor: a point in time as far as is known, and always sent back exactly as it was served.

/// A number below this counts seconds, not milliseconds.
const SECONDS_BELOW: i64 = 100_000_000_000;

/// What fetches the next page. A numeric cursor keeps its text beside the number, because the server may write it with
/// leading zeros or spaces and must get it back unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// Milliseconds since the epoch, and the text that says so.
    Ms(i64, Box<str>),
    /// Seconds since the epoch, and the text that says so.
    Secs(i64, Box<str>),
    /// Anything else. It can only be sent back.
    Opaque(Box<str>),
}

impl Cursor {
    /// A conversation's cursor as served. Numbers are recognised by their size as milliseconds or seconds.
    #[must_use]
    pub fn served(text: String) -> Self {
        match text.trim().parse() {
            Ok(number) if number < SECONDS_BELOW => Self::Secs(number, text.into()),
            Ok(number) => Self::Ms(number, text.into()),
            Err(_) => Self::opaque(text),
        }
    }

    /// A cursor that is never read as a number, such as an inbox's.
    #[must_use]
    pub fn opaque(text: String) -> Self {
        Self::Opaque(text.into())
    }

    /// A cursor made by us rather than by the server.
    #[must_use]
    pub fn made(number: i64) -> Self {
        Self::served(number.to_string())
    }

    /// The text to send and to store.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Ms(_, text) | Self::Secs(_, text) | Self::Opaque(text) => text,
        }
    }

    /// The number in its own unit, unless the cursor is opaque.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Ms(number, _) | Self::Secs(number, _) => Some(*number),
            Self::Opaque(_) => None,
        }
    }

    /// Whether it leads to what stands below a position, which is included: to the second, because a server may count its
    /// cursors in milliseconds and tell its times in seconds. An opaque one may lead anywhere.
    #[must_use]
    pub fn leads_below(&self, position: i64) -> bool {
        match self {
            Self::Ms(number, _) => *number <= position.saturating_add(999),
            Self::Secs(number, _) => number.saturating_mul(1000) <= position,
            Self::Opaque(_) => true,
        }
    }

    /// Whether it counts seconds rather than milliseconds.
    #[must_use]
    pub fn in_seconds(&self) -> bool {
        matches!(self, Self::Secs(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_sent_back_exactly_as_it_was_served() {
        let seconds = |text: &str, number| Cursor::Secs(number, text.into());
        for (text, cursor) in [
            ("1745266498889", Cursor::Ms(1_745_266_498_889, "1745266498889".into())),
            ("0001745", seconds("0001745", 1745)),
            (" 12", seconds(" 12", 12)),
            ("-7", seconds("-7", -7)),
            ("1e3", Cursor::Opaque("1e3".into())),
            ("REVTQ0VORElORyYx", Cursor::Opaque("REVTQ0VORElORyYx".into())),
            ("99999999999999999999", Cursor::Opaque("99999999999999999999".into())),
        ] {
            assert_eq!(Cursor::served(text.to_owned()), cursor);
            assert_eq!(cursor.text(), text);
        }
    }
}
