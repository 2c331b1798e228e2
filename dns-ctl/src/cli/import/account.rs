//! What becomes of each line of a configuration: exactly one of three things.

use super::token::Place;

/// What becomes of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// These flags mean the same.
    Carried(String),
    /// kxdns does so without being told, in these words.
    BuiltIn(String),
    /// kxdns has nothing like it: why, or what to do instead.
    Missing(String),
}

/// A line and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where the line stands.
    pub(super) place: Place,
    /// The line itself.
    pub(super) text: String,
    /// What becomes of it.
    pub(super) fate: Fate,
}

impl Fate {
    /// Carried over, unless there are problems, which are told with what is carried over all the same.
    pub(super) fn carried_but(carried: String, problems: &[String]) -> Self {
        if problems.is_empty() {
            return Self::Carried(carried);
        }
        let mut text = problems.join("; ");
        if !carried.is_empty() {
            text = format!("{text} (set all the same: {carried})");
        }
        Self::Missing(text)
    }

    /// What kxdns does by itself.
    pub(super) fn built_in(text: &str) -> Self {
        Self::BuiltIn(text.to_owned())
    }

    /// What has no counterpart.
    pub(super) fn missing(text: &str) -> Self {
        Self::Missing(text.to_owned())
    }
}
