//! Chooses interfaces by the names and patterns of `--interface`.

use std::{fmt, str::FromStr};

use super::links::Link;

/// A name or a glob (`*`, `?`, `[...]`) of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfacePattern {
    pattern: glob::Pattern,
}

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is neither the name of an interface nor a pattern: {reason}")]
pub struct PatternError {
    text: String,
    reason: &'static str,
}

/// A name that no interface has.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no interface `{name}` here; give one of these with --interface, or a pattern such as 'veth*': {present}"
)]
pub struct NoSuchInterface {
    name: String,
    present: String,
}

impl InterfacePattern {
    /// Whether the text has wildcards: a plain name has to exist.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        self.pattern.as_str().contains(['*', '?', '['])
    }

    /// Whether an interface of this name is meant.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.pattern.matches(name)
    }
}

impl FromStr for InterfacePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let error = |reason| PatternError {
            text: text.to_owned(),
            reason,
        };
        if text.is_empty() {
            return Err(error("it is empty"));
        }
        let pattern = glob::Pattern::new(text).map_err(|problem| error(problem.msg))?;
        Ok(Self { pattern })
    }
}

impl fmt::Display for InterfacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pattern.as_str())
    }
}

/// Whether the operator named this very interface: then it has to work.
#[must_use]
pub fn is_named(link: &Link, patterns: &[InterfacePattern]) -> bool {
    let named = |pattern: &&InterfacePattern| !pattern.is_glob() && pattern.matches(&link.name);
    patterns.iter().any(|pattern| named(&pattern))
}

/// The interfaces that the patterns mean, each once, in the order of their indices.
///
/// # Errors
/// [`NoSuchInterface`] if a plain name is not among them; a glob may match none.
pub fn select<'l>(
    links: &'l [Link],
    patterns: &[InterfacePattern],
) -> Result<Vec<&'l Link>, NoSuchInterface> {
    for pattern in patterns.iter().filter(|pattern| !pattern.is_glob()) {
        if !links.iter().any(|link| pattern.matches(&link.name)) {
            let names: Vec<_> = links.iter().map(|link| link.name.as_str()).collect();
            return Err(NoSuchInterface {
                name: pattern.to_string(),
                present: names.join(" "),
            });
        }
    }
    let mut chosen: Vec<_> = links
        .iter()
        .filter(|link| patterns.iter().any(|pattern| pattern.matches(&link.name)))
        .collect();
    chosen.sort_by_key(|link| link.index);
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attach::links::LinkKind;

    fn links() -> Vec<Link> {
        [(3, "veth1"), (1, "lo"), (2, "veth0")]
            .map(|(index, name)| Link {
                index,
                name: name.to_owned(),
                kind: LinkKind::Virtual,
                has_xdp: false,
                is_ethernet: true,
            })
            .to_vec()
    }

    fn chosen(patterns: &[&str]) -> Result<Vec<u32>, NoSuchInterface> {
        let patterns: Vec<_> = patterns.iter().map(|text| text.parse().unwrap()).collect();
        select(&links(), &patterns).map(|links| links.iter().map(|link| link.index).collect())
    }

    #[test]
    fn names_and_globs_choose_each_interface_once() {
        assert_eq!(chosen(&["veth*", "veth0"]), Ok(vec![2, 3]));
        assert_eq!(chosen(&["veth[1-9]"]), Ok(vec![3]));
        assert_eq!(chosen(&["cali*"]), Ok(vec![]));
        assert_eq!(chosen(&[]), Ok(vec![]));
    }

    #[test]
    fn a_pattern_names_no_interface() {
        let patterns = |texts: &[&str]| -> Vec<InterfacePattern> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let veth = &links()[0];
        assert!(is_named(veth, &patterns(&["lo", "veth1"])));
        assert!(!is_named(veth, &patterns(&["veth*", "lo"])));
    }

    #[test]
    fn a_name_that_does_not_exist_is_said_with_those_that_do() {
        let error = chosen(&["eth0"]).unwrap_err().to_string();
        assert!(
            error.contains("`eth0`") && error.contains("veth1 lo veth0"),
            "{error}"
        );
        assert!("".parse::<InterfacePattern>().is_err());
        assert!("a[".parse::<InterfacePattern>().is_err());
    }
}
