//! Reads an input octet by octet; behind its end there are zeros.

/// The rest of an input.
pub(crate) struct Cursor<'i>(&'i [u8]);

impl<'i> Cursor<'i> {
    pub(crate) const fn new(input: &'i [u8]) -> Self {
        Self(input)
    }

    pub(crate) fn octets<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        let len = N.min(self.0.len());
        octets[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        octets
    }

    pub(crate) fn octet(&mut self) -> u8 {
        let [octet] = self.octets();
        octet
    }

    pub(crate) fn short(&mut self) -> u16 {
        u16::from_be_bytes(self.octets())
    }

    pub(crate) fn word(&mut self) -> u64 {
        u64::from_be_bytes(self.octets())
    }

    /// Up to `len` octets, fewer only at the end.
    pub(crate) fn slice(&mut self, len: usize) -> &'i [u8] {
        let (slice, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        slice
    }

    /// A name in wire form: an octet for the number of labels, and for each label an octet for its length,
    /// in bits 0 to 5, and its octets; with bit 7 set, there is one octet that is repeated.
    pub(crate) fn name(&mut self) -> Vec<u8> {
        let mut name = Vec::new();
        for _ in 0..self.octet() & 0x7f {
            let kind = self.octet();
            let len = usize::from(kind & 0x3f).max(1);
            if name.len() + 1 + len + 1 > 255 {
                break;
            }
            name.push((kind & 0x3f).max(1));
            if kind & 0x80 == 0 {
                let octets = self.slice(len);
                name.extend_from_slice(octets);
                name.extend(std::iter::repeat_n(b'-', len - octets.len()));
            } else {
                name.extend(std::iter::repeat_n(self.octet(), len));
            }
        }
        name.push(0);
        name
    }
}
