//! A gzip bomb: half a megabyte on the wire that unpacks to 64 MiB of spaces.
//!
//! Written by hand in the simplest form of deflate: one block with the fixed code, one literal, then runs.

/// What the bomb unpacks to, in bytes: one literal and so many runs of the longest kind.
const RUNS: u32 = 260_112;
const RUN: u32 = 258;
/// Size when unpacked.
pub(super) const UNPACKED: u32 = RUNS * RUN + 1;

/// A whole and valid gzip member.
pub(super) fn gzip_of_spaces() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.out.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    bits.put(0b1, 1); // the last block
    bits.put(0b01, 2); // with the fixed code
    bits.code(0x30 + u32::from(b' '), 8);
    for _ in 0..RUNS {
        bits.code(0b1100_0101, 8); // length 258
        bits.code(0, 5); // distance 1
    }
    bits.code(0, 7); // end of block
    let mut out = bits.finish();
    out.extend(crc_of_spaces(UNPACKED).to_le_bytes());
    out.extend(UNPACKED.to_le_bytes());
    out
}

/// A gzip member that begins with this text and goes on with some four million items of a list. It has no end: nobody
/// should come so far.
pub(super) fn gzip_of_items(before: &[u8]) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.out.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    bits.put(0b1, 1); // the last block
    bits.put(0b01, 2); // with the fixed code
    for byte in before.iter().chain(b"{},") {
        match u32::from(*byte) {
            low @ 0..144 => bits.code(0x30 + low, 8),
            high => bits.code(0x190 + high - 144, 9),
        }
    }
    for _ in 0..46_000 {
        bits.code(0b1100_0101, 8); // length 258
        bits.code(2, 5); // distance 3
    }
    bits.code(0, 7); // end of block
    bits.finish()
}

/// Bits in deflate's order: least significant first.
#[derive(Default)]
struct Bits {
    out: Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, bits: u32, count: u32) {
        self.held |= bits << self.count;
        self.count += count;
        while self.count >= 8 {
            self.out.extend(self.held.to_le_bytes().first());
            self.held >>= 8;
            self.count -= 8;
        }
    }

    /// A Huffman code, which stands the other way round.
    fn code(&mut self, code: u32, count: u32) {
        self.put(code.reverse_bits() >> (32 - count), count);
    }

    fn finish(mut self) -> Vec<u8> {
        self.put(0, (8 - self.count) % 8);
        self.out
    }
}

/// CRC-32 of so many spaces, by squaring: reading 64 MiB for it would take a second in a debug build.
fn crc_of_spaces(count: u32) -> u32 {
    // A byte changes the register by an affine map over GF(2): applying it `count` times is a power of that map.
    let (mut power, mut result) = (Affine::of_byte(b' '), Affine::identity());
    let mut left = count;
    while left > 0 {
        if left & 1 == 1 {
            result = result.then(&power);
        }
        power = power.then(&power);
        left >>= 1;
    }
    !result.apply(!0)
}

/// `register -> matrix * register + offset` over GF(2).
struct Affine {
    columns: [u32; 32],
    offset: u32,
}

impl Affine {
    fn identity() -> Self {
        Self { columns: std::array::from_fn(|bit| 1 << bit), offset: 0 }
    }

    fn of_byte(byte: u8) -> Self {
        let step =
            |register: u32| {
                (0..8).fold(register ^ u32::from(byte), |r, _| {
                    if r & 1 == 1 { (r >> 1) ^ 0xedb8_8320 } else { r >> 1 }
                })
            };
        let offset = step(0);
        Self { columns: std::array::from_fn(|bit| step(1 << bit) ^ offset), offset }
    }

    fn linear(&self, register: u32) -> u32 {
        self.columns
            .iter()
            .enumerate()
            .filter(|(bit, _)| (register >> bit) & 1 == 1)
            .fold(0, |sum, (_, c)| sum ^ c)
    }

    fn apply(&self, register: u32) -> u32 {
        self.linear(register) ^ self.offset
    }

    fn then(&self, next: &Self) -> Self {
        Self { columns: self.columns.map(|c| next.linear(c)), offset: next.apply(self.offset) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_spaces() {
        // Reference values of the everyday CRC-32.
        assert_eq!(crc_of_spaces(0), 0);
        assert_eq!(crc_of_spaces(1), 0xe96c_cf45);
        let slow = |n: u32| {
            !(0..n).fold(!0_u32, |r, _| {
                (0..8).fold(r ^ 0x20, |r, _| if r & 1 == 1 { (r >> 1) ^ 0xedb8_8320 } else { r >> 1 })
            })
        };
        assert_eq!(crc_of_spaces(1_000), slow(1_000));
    }

    #[test]
    fn it_is_small_on_the_wire_and_large_when_unpacked() {
        let bomb = gzip_of_spaces();
        assert!(bomb.len() < 512 * 1024, "{}", bomb.len());
        assert!(bomb.starts_with(&[0x1f, 0x8b, 8]) && bomb.ends_with(&UNPACKED.to_le_bytes()));
    }
}
