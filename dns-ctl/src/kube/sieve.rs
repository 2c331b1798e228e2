//! Makes changes of a watch's steps: lets through what can be served, and says once why the rest can't.

use std::marker::PhantomData;

use k8s_openapi::Resource as _;
use kube::runtime::watcher;

use super::{
    arriving::Arriving,
    reports::{News, Reports},
    trim::{Kind, Outcome, Trimmed},
};
use crate::zone::object::{Change, ObjectKey};

/// What stands between one list-and-watch and the zone.
#[derive(Debug)]
pub(super) struct Sieve<T> {
    reports: Reports,
    kind: PhantomData<fn() -> T>,
}

/// What a watch's step comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(super) struct Sifted<T> {
    /// What it changes; `None`: nothing.
    pub(super) change: Option<Change<T>>,
    /// What is to be told about it, in a sentence.
    pub(super) complaint: Option<String>,
}

impl<T: Kind> Sieve<T> {
    pub(super) fn new() -> Self {
        Self {
            reports: Reports::default(),
            kind: PhantomData,
        }
    }

    /// What the step comes to.
    pub(super) fn sift(&mut self, step: watcher::Event<Arriving<T>>) -> Sifted<T> {
        let silently = |change| Sifted {
            change: Some(change),
            complaint: None,
        };
        match step {
            watcher::Event::Init => {
                self.reports.begin();
                silently(Change::Init)
            }
            watcher::Event::InitApply(object) => {
                let (result, complaint) = self.examine(object.trimmed);
                Sifted {
                    // What is not in the new list is removed at its end.
                    change: result.ok().map(Change::InitApply),
                    complaint,
                }
            }
            watcher::Event::InitDone => {
                self.reports.finish();
                silently(Change::InitDone)
            }
            watcher::Event::Apply(object) => {
                let (result, complaint) = self.examine(object.trimmed);
                Sifted {
                    // An object that can't be served as it is now must not be served as it was.
                    change: Some(result.map_or_else(Change::Delete, Change::Apply)),
                    complaint,
                }
            }
            watcher::Event::Delete(object) => {
                self.reports.forget(&object.trimmed.key);
                silently(Change::Delete(object.trimmed.key))
            }
        }
    }

    /// How many objects are invalid now, as far as they are remembered.
    pub(super) const fn invalid(&self) -> usize {
        self.reports.invalid()
    }

    /// The object if it can be served, or else its key; and what is to be told about it.
    fn examine(&mut self, trimmed: Trimmed<T>) -> (Result<T, ObjectKey>, Option<String>) {
        let complaint = trimmed.complaint();
        let is_invalid = matches!(trimmed.outcome, Outcome::Invalid(_));
        let news = if let Some(complaint) = &complaint {
            self.reports.complain(&trimmed.key, complaint, is_invalid)
        } else {
            self.reports.forget(&trimmed.key);
            News::Old
        };
        let told = match news {
            News::New => complaint,
            News::TooMany => Some(format!(
                "so many {} are faulty that no more of them are named",
                T::Source::URL_PATH_SEGMENT
            )),
            News::Old => None,
        };
        let result = match trimmed.outcome {
            Outcome::Usable { object, .. } => Ok(object),
            Outcome::Unused | Outcome::Invalid(_) => Err(trimmed.key),
        };
        (result, told)
    }
}

#[cfg(test)]
mod tests;
