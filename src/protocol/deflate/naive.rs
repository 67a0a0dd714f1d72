//! A naive reader of compressed messages, with which the tests compare the real one. It reads bit
//! by bit and looks each code up in a list, and imports nothing, so that the fuzz target can use it
//! too. It is slow and simple on purpose.

const LENGTHS: [(usize, u32); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// The order in which a dynamic block gives the lengths of the codes of code lengths.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Returns the message, or what is wrong: `TooLarge` or `Corrupt`.
pub(super) fn inflate(compressed: &[u8], limit: usize) -> Result<Vec<u8>, &'static str> {
    let mut message = Message { limit, ..Message::default() };
    message.read(compressed)?;
    Ok(message.bytes)
}

/// Returns how far back a compressed message refers at most.
#[cfg(test)]
pub(super) fn farthest_reference(compressed: &[u8]) -> usize {
    let mut message = Message { limit: usize::MAX, ..Message::default() };
    let _ = message.read(compressed);
    message.farthest
}

#[derive(Default)]
struct Message {
    bytes: Vec<u8>,
    limit: usize,
    /// Nothing before this may be referred to.
    history_from: usize,
    farthest: usize,
}

impl Message {
    fn read(&mut self, compressed: &[u8]) -> Result<(), &'static str> {
        let mut bits = Bits { bytes: compressed, at: 0 };
        loop {
            let is_last = bits.take(1)? == 1;
            match bits.take(2)? {
                0 => {
                    bits.skip_to_byte();
                    // The length of the last stored block, which is empty, is not sent.
                    if bits.is_at_end() && !is_last {
                        return Ok(());
                    }
                    self.stored_block(&mut bits)?;
                }
                1 => {
                    let mut lengths = vec![8; 144];
                    lengths.resize(256, 9);
                    lengths.resize(280, 7);
                    lengths.resize(288, 8);
                    self.block(&mut bits, &Codes::new(&lengths), &Codes::new(&[5; 32]))?;
                }
                2 => {
                    let (codes, distances) = dynamic_codes(&mut bits)?;
                    self.block(&mut bits, &codes, &distances)?;
                }
                _ => return Err("Corrupt"),
            }
            if is_last {
                bits.skip_to_byte();
                self.history_from = self.bytes.len();
                if bits.is_at_end() {
                    return Ok(());
                }
            }
        }
    }

    fn stored_block(&mut self, bits: &mut Bits<'_>) -> Result<(), &'static str> {
        let length = bits.take(16)?;
        if bits.take(16)? != !length & 0xFFFF {
            return Err("Corrupt");
        }
        for _ in 0..length {
            self.push(bits.take(8)? as u8)?;
        }
        Ok(())
    }

    fn block(
        &mut self,
        bits: &mut Bits<'_>,
        codes: &Codes,
        distances: &Codes,
    ) -> Result<(), &'static str> {
        loop {
            let symbol = codes.read(bits)?;
            if symbol == 256 {
                return Ok(());
            }
            if symbol < 256 {
                self.push(symbol as u8)?;
                continue;
            }
            let (length, extra) = *LENGTHS.get(symbol - 257).ok_or("Corrupt")?;
            let length = length + bits.take(extra)?;
            let symbol = distances.read(bits)?;
            if symbol > 29 {
                return Err("Corrupt");
            }
            let extra = (symbol as u32 / 2).saturating_sub(1);
            let base = if symbol < 2 { symbol } else { (2 + symbol % 2) << extra };
            let distance = 1 + base + bits.take(extra)?;
            if distance > self.bytes.len() - self.history_from {
                return Err("Corrupt");
            }
            self.farthest = self.farthest.max(distance);
            for _ in 0..length {
                self.push(self.bytes[self.bytes.len() - distance])?;
            }
        }
    }

    fn push(&mut self, byte: u8) -> Result<(), &'static str> {
        if self.bytes.len() == self.limit {
            return Err("TooLarge");
        }
        self.bytes.push(byte);
        Ok(())
    }
}

fn dynamic_codes(bits: &mut Bits<'_>) -> Result<(Codes, Codes), &'static str> {
    let (literals, distances) = (257 + bits.take(5)?, 1 + bits.take(5)?);
    let given = 4 + bits.take(4)?;
    if literals > 286 || distances > 30 {
        return Err("Corrupt");
    }
    let mut lengths = [0; 19];
    for position in &ORDER[..given] {
        lengths[*position] = bits.take(3)?;
    }
    let code_lengths = Codes::new(&lengths);
    if !code_lengths.is_complete() {
        return Err("Corrupt");
    }
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        let (length, times) = match code_lengths.read(bits)? {
            16 => (*lengths.last().ok_or("Corrupt")?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length, 1),
        };
        lengths.resize(lengths.len() + times, length);
    }
    if lengths.len() > literals + distances || lengths[256] == 0 {
        return Err("Corrupt");
    }
    let distances = Codes::new(&lengths[literals..]);
    let literals = Codes::new(&lengths[..literals]);
    if !literals.is_usable() || !distances.is_usable() {
        return Err("Corrupt");
    }
    Ok((literals, distances))
}

/// A Huffman code: for each symbol the length of its code and the code.
struct Codes {
    codes: Vec<(usize, usize)>,
}

impl Codes {
    /// RFC 1951 section 3.2.2: the codes follow from their lengths.
    fn new(lengths: &[usize]) -> Codes {
        let mut codes = vec![(0, 0); lengths.len()];
        let mut next = 0;
        for bits in 1..=15 {
            for (symbol, length) in lengths.iter().enumerate() {
                if *length == bits {
                    codes[symbol] = (bits, next);
                    next += 1;
                }
            }
            next <<= 1;
        }
        Codes { codes }
    }

    /// The part of all codes of 15 bits that these take up.
    fn taken(&self) -> usize {
        let used = self.codes.iter().filter(|(bits, _)| *bits > 0);
        used.map(|(bits, _)| 1 << (15 - bits)).sum()
    }

    fn is_complete(&self) -> bool {
        self.taken() == 1 << 15
    }

    /// A block with one length or distance alone, or with no distance, has an incomplete code.
    fn is_usable(&self) -> bool {
        let longest = self.codes.iter().map(|(bits, _)| *bits).max().unwrap_or(0);
        self.is_complete() || (longest <= 1 && self.taken() < 1 << 15)
    }

    fn read(&self, bits: &mut Bits<'_>) -> Result<usize, &'static str> {
        let mut code = 0;
        for length in 1..=15 {
            code = code << 1 | bits.take(1)?;
            if let Some(symbol) = self.codes.iter().position(|one| *one == (length, code)) {
                return Ok(symbol);
            }
        }
        Err("Corrupt")
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Result<usize, &'static str> {
        let mut value = 0;
        for bit in 0..count {
            let byte = *self.bytes.get(self.at / 8).ok_or("Corrupt")?;
            value |= usize::from(byte >> (self.at % 8) & 1) << bit;
            self.at += 1;
        }
        Ok(value)
    }

    fn skip_to_byte(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    fn is_at_end(&self) -> bool {
        self.at == self.bytes.len() * 8
    }
}
