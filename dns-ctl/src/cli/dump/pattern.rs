//! Which names are wanted.

use std::str::FromStr;

/// A name with all names below it, or a pattern for whole names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// This name, and what ends in it behind a dot; lower case, without the last dot.
    Below(String),
    /// What the pattern fits.
    Glob(glob::Pattern),
}

impl FromStr for NamePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let name = lower.strip_suffix('.').unwrap_or(&lower);
        if name.is_empty() {
            return Err("the pattern is empty; without one all names are shown".to_owned());
        }
        if !name.contains(['*', '?', '[']) {
            return Ok(Self::Below(name.to_owned()));
        }
        let pattern = glob::Pattern::new(name);
        pattern
            .map(Self::Glob)
            .map_err(|error| format!("`{text}` is no pattern: {}", error.msg))
    }
}

impl NamePattern {
    /// Whether it fits a name, in lower case and with its last dot.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        match self {
            Self::Glob(pattern) => pattern.matches(name),
            Self::Below(end) => name
                .strip_suffix(end.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_or_not() {
        for (pattern, fitting, others) in [
            (
                "default.svc.cluster.local",
                &[
                    "default.svc.cluster.local.",
                    "a.b.default.svc.cluster.local.",
                ][..],
                &["x-default.svc.cluster.local.", "svc.cluster.local.", "."][..],
            ),
            ("Local.", &["local.", "a.LOCAL."][..1], &["nonlocal."]),
            (
                "*.default.*",
                &["a.default.svc.cluster.local.", "a.b.default.x."],
                &["default.svc.cluster.local.", "a.default."],
            ),
            ("web-[0-9].*", &["web-1.x."], &["web-a.x.", "web-10.x."]),
            ("?.x", &["a.x."], &["ab.x."]),
        ] {
            let parsed: NamePattern = pattern.parse().unwrap();
            for name in fitting {
                assert!(parsed.fits(name), "{pattern} fits {name}");
            }
            for name in others {
                assert!(!parsed.fits(name), "{pattern} does not fit {name}");
            }
        }
        for bad in ["", ".", "a[", "***"] {
            assert!(bad.parse::<NamePattern>().is_err(), "{bad}");
        }
    }
}
