//! The snapshot as octets: a line of JSON that states what follows, then all objects as JSON.
//!
//! Whoever changes what is written of an object gives [`VERSION`] a new number.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ring::digest;
use serde::{Deserialize, Serialize};

use crate::zone::contents::{Contents, OwnedContents};

/// The number of this form.
pub const VERSION: u64 = 1;
/// What the first line says it is.
const KIND: &str = "snapshot";

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A snapshot of the right form and scope.
    Snapshot(Decoded),
    /// Written by another release, in a form of this number.
    OtherVersion(u64),
    /// A whole snapshot, but of another scope: this one.
    OtherScope(String),
}

/// A snapshot, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// When it was written.
    pub written: SystemTime,
    /// What it holds.
    pub contents: OwnedContents,
}

/// Why a file is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// There is no first line.
    #[error("it has no header: it is cut off, or not a snapshot")]
    NoHeader,
    /// The first line is not what it should be.
    #[error("its header can't be read: {0}")]
    Header(serde_json::Error),
    /// The first line is one that this program does not write.
    #[error("its header is not as kxdns writes it")]
    StrangeHeader,
    /// Octets are missing, or there are too many.
    #[error("{stated} octets should follow its header, but it has {found}")]
    Length {
        /// Octets that should follow the header.
        stated: u64,
        /// Octets that do.
        found: u64,
    },
    /// Something was changed after it was written.
    #[error("its checksum is wrong: it was changed after it was written")]
    Checksum,
    /// The objects can't be read.
    #[error("its objects can't be read: {0}")]
    Payload(serde_json::Error),
}

/// The first line; every field is there, in this order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    kxdns: String,
    version: u64,
    /// Seconds since 1970.
    written: u64,
    scope: String,
    /// Of the payload.
    octets: u64,
    /// Of the header with this field empty, a line feed, and the payload; in lower-case hexadecimal.
    sha256: String,
}

/// What the header of any version has.
#[derive(Deserialize)]
struct AnyHeader {
    kxdns: String,
    version: u64,
}

/// All that the store holds.
#[must_use]
pub fn payload(contents: &Contents<'_>) -> Vec<u8> {
    serde_json::to_vec(contents).expect("plain objects are JSON, and a vector takes all of it")
}

/// The line that goes before `payload`.
#[must_use]
pub fn header(payload: &[u8], written: SystemTime, scope: &str) -> Vec<u8> {
    let since = written.duration_since(UNIX_EPOCH);
    let mut header = Header {
        kxdns: KIND.to_owned(),
        version: VERSION,
        written: since.map_or(0, |since| since.as_secs()),
        scope: scope.to_owned(),
        octets: payload.len() as u64,
        sha256: String::new(),
    };
    header.sha256 = header.checksum(payload);
    header.line()
}

/// The whole file.
#[must_use]
pub fn file(payload: &[u8], written: SystemTime, scope: &str) -> Vec<u8> {
    let mut file = header(payload, written, scope);
    file.extend_from_slice(payload);
    file
}

/// What `file` is to someone who wants a snapshot of `scope`.
///
/// Nothing of it is believed before its checksum is found right, except that it is of another version.
pub fn decode(file: &[u8], scope: &str) -> Result<Found, FormatError> {
    let end = file.iter().position(|&octet| octet == b'\n');
    let (line, payload) = file.split_at(end.ok_or(FormatError::NoHeader)? + 1);
    let any: AnyHeader = serde_json::from_slice(line).map_err(FormatError::Header)?;
    if any.kxdns != KIND {
        return Err(FormatError::StrangeHeader);
    }
    if any.version != VERSION {
        return Ok(Found::OtherVersion(any.version));
    }
    let mut header: Header = serde_json::from_slice(line).map_err(FormatError::Header)?;
    // One header can be written in many ways, but the checksum is of this one.
    if header.line() != line {
        return Err(FormatError::StrangeHeader);
    }
    let (stated, found) = (header.octets, payload.len() as u64);
    if stated != found {
        return Err(FormatError::Length { stated, found });
    }
    let sha256 = std::mem::take(&mut header.sha256);
    if header.checksum(payload) != sha256 {
        return Err(FormatError::Checksum);
    }
    if header.scope != scope {
        return Ok(Found::OtherScope(header.scope));
    }
    let written = UNIX_EPOCH.checked_add(Duration::from_secs(header.written));
    Ok(Found::Snapshot(Decoded {
        written: written.ok_or(FormatError::StrangeHeader)?,
        contents: serde_json::from_slice(payload).map_err(FormatError::Payload)?,
    }))
}

impl Header {
    fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("texts and numbers are JSON");
        line.push(b'\n');
        line
    }

    /// The checksum of a header that has none yet, and of `payload`.
    fn checksum(&self, payload: &[u8]) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.line());
        context.update(payload);
        let mut text = String::with_capacity(64);
        for octet in context.finish().as_ref() {
            write!(text, "{octet:02x}").expect("a string takes all of it");
        }
        text
    }
}

#[cfg(test)]
mod tests;
