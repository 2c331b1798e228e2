//! The OPT record of a query (RFC 6891).

use crate::{
    Frame, Miss,
    headers::{Opt, OptionHead, rr_type},
};

/// Most options that are stepped over.
const MAX_OPTIONS: usize = 8;
/// Most octets of options that are stepped over.
const MAX_LENGTH: usize = 512;
/// Options whose content the server checks, and refuses if it is malformed: NSID (RFC 5001) and client
/// subnet (RFC 7871).
const CHECKED: [[u8; 2]; 2] = [[0, 3], [0, 8]];

/// What a client says in its OPT record, as far as it changes the answer.
#[derive(Clone, Copy, Debug)]
pub struct Edns {
    /// Octets of the largest message that the client takes.
    pub udp_size: usize,
    /// The DO bit in its place ([`Opt::DO`]), to be echoed; or zero.
    pub dnssec_ok: u8,
}

impl Edns {
    /// Reads the record at offset `at`, which has to fill the `left` octets that the message has there.
    ///
    /// # Errors
    /// [`Miss::Additional`] if it is not an OPT record, [`Miss::EdnsVersion`] or [`Miss::EdnsOptions`] if it
    /// is one for the server, [`Miss::Truncated`] or [`Miss::TrailingOctets`] if the lengths disagree.
    #[inline(always)]
    pub fn read(frame: &Frame<'_>, at: usize, left: usize) -> Result<Self, Miss> {
        let Some(options) = left.checked_sub(size_of::<Opt>()) else {
            return Err(Miss::Truncated);
        };
        let opt: &Opt = frame.get(at).ok_or(Miss::Truncated)?;
        if opt.name != 0 || u16::from_be_bytes(opt.rr_type) != rr_type::OPT {
            return Err(Miss::Additional);
        }
        if opt.version != 0 {
            return Err(Miss::EdnsVersion);
        }
        let edns = Self {
            udp_size: u16::from_be_bytes(opt.udp_size).into(),
            dnssec_ok: opt.flags[0] & Opt::DO,
        };
        let length = usize::from(u16::from_be_bytes(opt.length));
        if length > options {
            return Err(Miss::Truncated);
        }
        if length < options {
            return Err(Miss::TrailingOctets);
        }
        check_options(frame, at + size_of::<Opt>(), length)?;
        Ok(edns)
    }
}

/// Checks that the options are well-formed, few, and none that the server would look into.
#[inline(always)]
fn check_options(frame: &Frame<'_>, at: usize, length: usize) -> Result<(), Miss> {
    if length > MAX_LENGTH {
        return Err(Miss::EdnsOptions);
    }
    let mut read = 0;
    for _ in 0..MAX_OPTIONS {
        if read == length {
            return Ok(());
        }
        let option: &OptionHead = frame.get(at + read).ok_or(Miss::EdnsOptions)?;
        if CHECKED.contains(&option.code) {
            return Err(Miss::EdnsOptions);
        }
        read += size_of::<OptionHead>() + usize::from(u16::from_be_bytes(option.length));
        if read > length {
            return Err(Miss::EdnsOptions);
        }
    }
    if read == length {
        return Ok(());
    }
    Err(Miss::EdnsOptions)
}
