//! Chooses interfaces by the names and patterns of `--interface`.

use std::{fmt, str::FromStr};

use super::links::{Link, LinkKind};

/// The pattern that means the interfaces of pods.
const AUTO: &str = "auto";

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
    /// Whether this is a name without wildcards, which has to exist.
    #[must_use]
    pub fn is_name(&self) -> bool {
        !self.is_auto() && !self.pattern.as_str().contains(['*', '?', '['])
    }

    /// Whether this means the interfaces of pods, whatever they are called.
    #[must_use]
    pub fn is_auto(&self) -> bool {
        self.pattern.as_str() == AUTO
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

/// Which interfaces are meant.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Those of `--interface`.
    pub included: Vec<InterfacePattern>,
    /// And of these, those of `--exclude-interface`.
    pub excluded: Vec<InterfacePattern>,
}

impl Selection {
    /// Whether this interface is meant.
    #[must_use]
    pub fn has(&self, link: &Link) -> bool {
        let included = |pattern: &InterfacePattern| {
            if pattern.is_auto() {
                is_pods(link)
            } else {
                pattern.matches(&link.name)
            }
        };
        self.included.iter().any(included) && !self.excludes(link)
    }

    /// Whether the operator named this very interface: then it has to work.
    #[must_use]
    pub fn names(&self, link: &Link) -> bool {
        let named = |pattern: &InterfacePattern| pattern.is_name() && pattern.matches(&link.name);
        self.included.iter().any(named) && !self.excludes(link)
    }

    /// Those of the interfaces that are meant, in the order of their indices.
    ///
    /// # Errors
    /// [`NoSuchInterface`] if a plain name is not among them; a pattern may match none.
    pub fn among<'l>(&self, links: &'l [Link]) -> Result<Vec<&'l Link>, NoSuchInterface> {
        for pattern in self.included.iter().filter(|pattern| pattern.is_name()) {
            if !links.iter().any(|link| pattern.matches(&link.name)) {
                let names: Vec<_> = links.iter().map(|link| link.name.as_str()).collect();
                return Err(NoSuchInterface {
                    name: pattern.to_string(),
                    present: names.join(" "),
                });
            }
        }
        let mut chosen: Vec<_> = links.iter().filter(|link| self.has(link)).collect();
        chosen.sort_by_key(|link| link.index);
        Ok(chosen)
    }

    fn excludes(&self, link: &Link) -> bool {
        let mut excluded = self.excluded.iter();
        excluded.any(|pattern| pattern.is_auto() && is_pods(link) || pattern.matches(&link.name))
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |pattern: &InterfacePattern| {
            if pattern.is_auto() {
                "a pair that leads into another network namespace".to_owned()
            } else {
                pattern.to_string()
            }
        };
        let texts: Vec<_> = self.included.iter().map(text).collect();
        f.write_str(&texts.join(" or "))
    }
}

/// Whether this is the node's end of a pair whose other end is in another network namespace.
fn is_pods(link: &Link) -> bool {
    link.leads_elsewhere && matches!(link.kind, LinkKind::Veth | LinkKind::Netkit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Vec<Link> {
        let link = |index, name: &str, kind, leads_elsewhere| Link {
            index,
            name: name.to_owned(),
            kind,
            has_xdp: false,
            is_ethernet: true,
            leads_elsewhere,
            mtu: None,
        };
        vec![
            link(3, "veth1", LinkKind::Veth, true),
            link(1, "lo", LinkKind::Virtual, false),
            link(2, "veth0", LinkKind::Veth, false),
            link(5, "nk0", LinkKind::Netkit, true),
            // One end of a tunnel may lead elsewhere, too.
            link(4, "vxlan0", LinkKind::Virtual, true),
        ]
    }

    fn patterns(texts: &[&str]) -> Vec<InterfacePattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn selection(included: &[&str], excluded: &[&str]) -> Selection {
        Selection {
            included: patterns(included),
            excluded: patterns(excluded),
        }
    }

    fn chosen(included: &[&str], excluded: &[&str]) -> Result<Vec<u32>, NoSuchInterface> {
        let links = links();
        let chosen = selection(included, excluded).among(&links)?;
        Ok(chosen.iter().map(|link| link.index).collect())
    }

    #[test]
    fn names_and_globs_choose_each_interface_once() {
        assert_eq!(chosen(&["veth*", "veth0"], &[]), Ok(vec![2, 3]));
        assert_eq!(chosen(&["veth[1-9]"], &[]), Ok(vec![3]));
        assert_eq!(chosen(&["cali*"], &[]), Ok(vec![]));
        assert_eq!(chosen(&[], &[]), Ok(vec![]));
    }

    #[test]
    fn auto_means_pairs_that_lead_into_another_namespace() {
        assert_eq!(chosen(&["auto"], &[]), Ok(vec![3, 5]));
        assert_eq!(chosen(&["auto", "lo"], &[]), Ok(vec![1, 3, 5]));
        assert_eq!(chosen(&["auto"], &["nk*"]), Ok(vec![3]));
        assert_eq!(chosen(&["*"], &["auto"]), Ok(vec![1, 2, 4]));
        assert_eq!(chosen(&["veth*"], &["veth0"]), Ok(vec![3]));
    }

    #[test]
    fn a_pattern_names_no_interface() {
        let veth = &links()[0];
        assert!(selection(&["lo", "veth1"], &[]).names(veth));
        assert!(!selection(&["veth*", "lo"], &[]).names(veth));
        assert!(!selection(&["auto"], &[]).names(veth));
        assert!(!selection(&["veth1"], &["veth*"]).names(veth));
    }

    #[test]
    fn a_name_that_does_not_exist_is_said_with_those_that_do() {
        let error = chosen(&["eth0"], &[]).unwrap_err().to_string();
        assert!(
            error.contains("`eth0`") && error.contains("veth1 lo veth0"),
            "{error}"
        );
        assert!("".parse::<InterfacePattern>().is_err());
        assert!("a[".parse::<InterfacePattern>().is_err());
    }
}
