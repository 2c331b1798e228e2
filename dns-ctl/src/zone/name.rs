//! Names in wire form: cluster domains, and owner names relative to them.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Longest name in wire form, root label included (RFC 1035, section 2.3.4).
pub const MAX_NAME: usize = 255;
/// Longest label, its length octet not counted (RFC 1035, section 2.3.4).
pub const MAX_LABEL: usize = 63;

/// The one label of the name where the schema's version is told, in wire form.
pub(super) const SCHEMA_VERSION_LABEL: &[u8] = b"\x0bdns-version";
/// The last label of names of pods, in wire form.
pub(super) const POD_LABEL: &[u8] = b"\x03pod";

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A label is empty, as in `a..b`.
    #[error("`{0}` has an empty label")]
    EmptyLabel(String),
    /// A label is longer than 63 octets.
    #[error("`{0}` has a label of more than 63 octets")]
    LongLabel(String),
    /// The whole name is longer than 255 octets in wire form.
    #[error("`{0}` is longer than 255 octets")]
    LongName(String),
    /// A character that no host name has.
    #[error("`{name}` has the character {character:?}; letters, digits, `-` and `_` are allowed")]
    Character {
        /// The whole text.
        name: String,
        /// The first character that is not allowed.
        character: char,
    },
}

/// An owner name below a cluster domain: lower-case labels in wire form, without domain and root.
///
/// `\x05nginx\x07default\x03svc` is `nginx.default.svc`; the empty name is the zone's apex.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RelativeName(Arc<[u8]>);

/// A whole name without its root label: a domain such as `cluster.local`, or what an alias stands for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Domain(Arc<[u8]>);

impl RelativeName {
    /// The zone's apex: the cluster domain itself.
    #[must_use]
    pub fn apex() -> Self {
        Self::default()
    }

    /// `dns-version`, where the schema's version is told.
    #[must_use]
    pub fn schema_version() -> Self {
        Self(SCHEMA_VERSION_LABEL.into())
    }

    /// `<service>.<namespace>.svc`.
    pub fn service(namespace: &str, service: &str) -> Result<Self, NameError> {
        Self::from_labels(&[service, namespace, "svc"])
    }

    /// `<namespace>.svc`.
    pub fn namespace(namespace: &str) -> Result<Self, NameError> {
        Self::from_labels(&[namespace, "svc"])
    }

    /// `<namespace>.pod`.
    pub fn pods(namespace: &str) -> Result<Self, NameError> {
        Self::from_labels(&[namespace, "pod"])
    }

    /// The name made of `labels`, the leftmost first.
    pub fn from_labels(labels: &[&str]) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(64);
        for label in labels {
            push_label(&mut wire, label, || labels.join("."))?;
        }
        check_length(&wire, || labels.join("."))?;
        Ok(Self(wire.into()))
    }

    /// The name with `label` before it.
    pub fn child(&self, label: &str) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(self.0.len() + label.len() + 1);
        push_label(&mut wire, label, || format!("{label}.{self}"))?;
        wire.extend_from_slice(&self.0);
        check_length(&wire, || format!("{label}.{self}"))?;
        Ok(Self(wire.into()))
    }

    /// The part of `wire` that stands before `domain`, or `None` if `wire` is not in that domain.
    ///
    /// `wire` is a whole name in wire form with its root label, in any case of letters.
    #[must_use]
    pub fn within(wire: &[u8], domain: &Domain) -> Option<Self> {
        let relative = domain.part_before(wire)?;
        Some(Self(relative.to_ascii_lowercase().into()))
    }

    /// The labels in wire form.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the cluster domain itself.
    #[must_use]
    pub fn is_apex(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is `<namespace>.pod`.
    #[must_use]
    pub fn is_pod_namespace(&self) -> bool {
        let rest = self.first_label().map(|first| &self.0[1 + first.len()..]);
        rest == Some(POD_LABEL)
    }

    /// Whether this is [`Self::schema_version`].
    #[must_use]
    pub fn is_schema_version(&self) -> bool {
        *self.0 == *SCHEMA_VERSION_LABEL
    }

    /// The leftmost label, lower-case; `None` at the apex.
    #[must_use]
    pub fn first_label(&self) -> Option<&[u8]> {
        let (&length, rest) = self.0.split_first()?;
        rest.get(..usize::from(length))
    }

    /// The name without its leftmost label; `None` at the apex.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let length = usize::from(*self.0.first()?);
        self.0.get(1 + length..).map(|rest| Self(rest.into()))
    }

    /// The whole name in wire form, root label included; `None` if it would exceed 255 octets.
    #[must_use]
    pub fn in_domain(&self, domain: &Domain) -> Option<Vec<u8>> {
        let length = self.0.len() + domain.0.len() + 1;
        (length <= MAX_NAME).then(|| {
            let mut wire = Vec::with_capacity(length);
            wire.extend_from_slice(&self.0);
            wire.extend_from_slice(&domain.0);
            wire.push(0);
            wire
        })
    }
}

/// A map by names can be asked with their octets.
impl Borrow<[u8]> for RelativeName {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl Domain {
    /// The part of `wire` that stands before this domain, in its own case; `None` if it is not in the domain.
    ///
    /// `wire` is a whole name in wire form with its root label, in any case of letters.
    #[must_use]
    pub fn part_before<'w>(&self, wire: &'w [u8]) -> Option<&'w [u8]> {
        let labels = wire.strip_suffix(&[0])?;
        let split = labels.len().checked_sub(self.0.len())?;
        let (relative, suffix) = labels.split_at(split);
        // The suffix has to begin at a label: a name may merely end in the same octets.
        (suffix.eq_ignore_ascii_case(&self.0) && is_label_boundary(relative)).then_some(relative)
    }

    /// The labels in wire form, without the root.
    #[must_use]
    pub fn labels(&self) -> &[u8] {
        &self.0
    }

    /// Whether `other` is this domain or lies inside it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        RelativeName::within(&other.to_wire(), self).is_some()
    }

    /// Octets of the domain in wire form, root label included.
    #[must_use]
    pub fn wire_len(&self) -> u8 {
        u8::try_from(self.0.len() + 1).expect("a domain has at most 255 octets")
    }

    /// The domain with `label` before it; `None` if that is no name.
    #[must_use]
    pub fn child(&self, label: &str) -> Option<Self> {
        let wire = RelativeName::from_labels(&[label]).ok()?.in_domain(self)?;
        wire.strip_suffix(&[0]).map(|labels| Self(labels.into()))
    }

    /// The domain in wire form, root label included.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        let mut wire = self.0.to_vec();
        wire.push(0);
        wire
    }
}

impl FromStr for Domain {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let name = || text.to_owned();
        let mut wire = Vec::with_capacity(text.len() + 1);
        for label in text.strip_suffix('.').unwrap_or(text).split('.') {
            push_label(&mut wire, label, name)?;
        }
        check_length(&wire, name)?;
        Ok(Self(wire.into()))
    }
}

/// As text.
impl Serialize for Domain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Of text that is a name.
impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for RelativeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_labels(&self.0, f)
    }
}

impl fmt::Debug for RelativeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelativeName({self})")
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_labels(&self.0, f)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Domain({self})")
    }
}

/// A whole name in wire form as text, its root label left out.
#[must_use]
pub fn text(wire: &[u8]) -> String {
    let labels = wire.strip_suffix(&[0]).unwrap_or(wire);
    RelativeName(labels.into()).to_string()
}

/// Whether `wire` consists of whole labels.
fn is_label_boundary(mut wire: &[u8]) -> bool {
    while let Some((&length, rest)) = wire.split_first() {
        match rest.get(usize::from(length)..) {
            Some(rest) if length > 0 => wire = rest,
            _ => return false,
        }
    }
    true
}

fn push_label(wire: &mut Vec<u8>, label: &str, name: impl Fn() -> String) -> Result<(), NameError> {
    if label.is_empty() {
        return Err(NameError::EmptyLabel(name()));
    }
    if let Some(character) = label
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
    {
        return Err(NameError::Character {
            name: name(),
            character,
        });
    }
    let length = u8::try_from(label.len())
        .ok()
        .filter(|&length| usize::from(length) <= MAX_LABEL)
        .ok_or_else(|| NameError::LongLabel(name()))?;
    wire.push(length);
    wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
    Ok(())
}

fn check_length(wire: &[u8], name: impl Fn() -> String) -> Result<(), NameError> {
    if wire.len() < MAX_NAME {
        Ok(())
    } else {
        Err(NameError::LongName(name()))
    }
}

fn write_labels(mut wire: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut separator = "";
    while let Some((&length, rest)) = wire.split_first() {
        let (label, rest) = rest.split_at(usize::from(length).min(rest.len()));
        write!(f, "{separator}{}", label.escape_ascii())?;
        separator = ".";
        wire = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
