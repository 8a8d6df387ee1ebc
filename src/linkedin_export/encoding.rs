//! Files that are not UTF-8: exports of some years are UTF-16, and spreadsheets save in Windows' code page.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write as _};

/// Bytes that are looked at together.
const CHUNK: usize = 64 * 1024;

/// How a file writes its characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16 { little_endian: bool },
    Windows1252,
}

/// The file in UTF-8: itself, or a copy without a name that goes when it is closed.
pub(crate) fn as_utf8(mut file: File) -> io::Result<File> {
    let encoding = encoding(&mut file)?;
    file.seek(SeekFrom::Start(0))?;
    let mut out = match encoding {
        Encoding::Utf8 => return Ok(file),
        Encoding::Utf16 { .. } | Encoding::Windows1252 => BufWriter::new(tempfile::tempfile()?),
    };
    let mut bytes = BufReader::with_capacity(CHUNK, file).bytes();
    let mut put = |c: char| out.write_all(c.encode_utf8(&mut [0; 4]).as_bytes());
    match encoding {
        Encoding::Utf8 => {}
        Encoding::Windows1252 => bytes.try_for_each(|byte| put(from_windows_1252(byte?)))?,
        Encoding::Utf16 { little_endian } => {
            let mut failed = None;
            let units = std::iter::from_fn(|| match (bytes.next()?, bytes.next()?) {
                (Ok(one), Ok(two)) if little_endian => Some(u16::from_le_bytes([one, two])),
                (Ok(one), Ok(two)) => Some(u16::from_be_bytes([one, two])),
                (Err(error), _) | (_, Err(error)) => {
                    failed = Some(error);
                    None
                }
            });
            char::decode_utf16(units).try_for_each(|c| put(c.unwrap_or(char::REPLACEMENT_CHARACTER)))?;
            failed.map_or(Ok(()), Err)?;
        }
    }
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn encoding(file: &mut File) -> io::Result<Encoding> {
    let mut head = Vec::with_capacity(1024);
    file.take(1024).read_to_end(&mut head)?;
    match head.as_slice() {
        [0xff, 0xfe, ..] => return Ok(Encoding::Utf16 { little_endian: true }),
        [0xfe, 0xff, ..] => return Ok(Encoding::Utf16 { little_endian: false }),
        _ => {}
    }
    // A header is in ASCII: in UTF-16, every other byte of it is 0.
    let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count() * 4;
    if zeros(1) > head.len() || zeros(0) > head.len() {
        return Ok(Encoding::Utf16 { little_endian: zeros(1) > zeros(0) });
    }
    file.seek(SeekFrom::Start(0))?;
    let (mut valid, mut invalid) = (0_u64, 0_u64);
    let (mut buffer, mut rest) = (vec![0; CHUNK], Vec::new());
    loop {
        let read = file.read(&mut buffer)?;
        rest.extend_from_slice(buffer.get(..read).unwrap_or_default());
        let mut kept = Vec::new();
        let mut chunks = rest.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            valid += u64::from(!chunk.valid().is_ascii());
            // What the end of the buffer cuts off is looked at with what follows.
            match chunk.invalid() {
                [] => {}
                cut if chunks.peek().is_none() && read > 0 && cut.len() < 4 => kept = cut.to_vec(),
                _ => invalid += 1,
            }
        }
        if read == 0 {
            break;
        }
        rest = kept;
    }
    // Letters of both kinds: it is UTF-8 with some odd rows.
    Ok(if invalid > 0 && valid == 0 { Encoding::Windows1252 } else { Encoding::Utf8 })
}

fn from_windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    let high = byte.checked_sub(0x80).and_then(|at| HIGH.get(usize::from(at)));
    high.copied().unwrap_or(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> String {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut text = String::new();
        as_utf8(file).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_file_is_read_whatever_it_is_written_in() {
        let text = "Date,Content\r\n2020,Béla 🎉 said: „schön“\r\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        assert_eq!(read(text.as_bytes()), text);
        assert_eq!(read(&little), text);
        assert_eq!(read(&big), text);
        assert_eq!(read(&[&[0xff, 0xfe][..], &little].concat()), format!("\u{feff}{text}"));
        assert_eq!(read(&[&[0xfe, 0xff][..], &big].concat()), format!("\u{feff}{text}"));
        assert_eq!(read(b"Content\nB\xe9la \x80 5 \x96 \x84sch\xf6n\x93\n"), "Content\nBéla € 5 – „schön“\n");
        assert_eq!(read(b""), "");
    }

    #[test]
    fn letters_on_the_border_of_a_buffer_are_letters() {
        for before in CHUNK - 5..CHUNK + 5 {
            let text = format!("{}é🎉", "x".repeat(before));
            assert_eq!(read(text.as_bytes()), text, "{before}");
        }
        let mixed = [&b"caf\xe9 "[..], "Béla".as_bytes()].concat();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&mixed).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        assert_eq!(encoding(&mut file).unwrap(), Encoding::Utf8, "with one odd row");
    }
}
