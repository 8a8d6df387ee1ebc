//! Keys of files as the URIs that a Delta log has, and back.

/// A key as a URI relative to the table. Whatever could mean something else in a URI is escaped, so that every reader
/// gets the key back.
#[must_use]
pub fn encoded(key: &str) -> String {
    use std::fmt::Write as _;
    let mut path = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' | b'~' | b'=' | b'/' => {
                path.push(char::from(byte));
            }
            // Writing to a string does not fail.
            other => drop(write!(path, "%{other:02X}")),
        }
    }
    path
}

/// The key of a URI. What is no URI, as some program may have written it, is taken as it stands.
#[must_use]
pub fn decoded(path: &str) -> String {
    if !path.contains('%') {
        return path.to_owned();
    }
    unescaped(path).unwrap_or_else(|| path.to_owned())
}

fn unescaped(path: &str) -> Option<String> {
    let mut key = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        key.push(if byte == b'%' { digit(bytes.next()?)? << 4 | digit(bytes.next()?)? } else { byte });
    }
    String::from_utf8(key).ok()
}

fn digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_escaped_as_spark_and_delta_rs_read_them() {
        assert_eq!(encoded("month=2026-01/a_b-c.parquet"), "month=2026-01/a_b-c.parquet");
        assert_eq!(encoded("name=J%C3/ä b:c+?#"), "name=J%25C3/%C3%A4%20b%3Ac%2B%3F%23");
        assert_eq!(decoded("a%20b/%c3%a4"), "a b/ä");
    }

    #[test]
    fn what_is_no_uri_is_taken_as_it_stands() {
        for path in ["100%", "%zz", "%ff", "a%2"] {
            assert_eq!(decoded(path), path);
        }
    }

    proptest! {
        #[test]
        fn every_key_comes_back(key in "\\PC*|[%=/ äöü%0-9a-f]*") {
            prop_assert_eq!(decoded(&encoded(&key)), key);
        }
    }
}
