//! Hands on what one ConfigMap holds, whenever that changes.

use std::collections::BTreeMap;

use tokio::sync::watch;

use super::trim::ConfigMap;
use crate::zone::object::{Change, ObjectKey};

/// The ConfigMap's `data`; `None`: it does not exist.
pub type ConfigMapData = Option<BTreeMap<String, String>>;

/// Where what the ConfigMap holds is told: once it is known for the first time, then when it changes.
pub type ConfigMapSender = watch::Sender<ConfigMapData>;

/// The ConfigMap that is followed, as far as it is known.
#[derive(Debug)]
pub(super) struct Followed {
    key: ObjectKey,
    sender: ConfigMapSender,
    /// What a list that is still being read has shown.
    staged: ConfigMapData,
    is_known: bool,
}

impl Followed {
    pub(super) const fn new(key: ObjectKey, sender: ConfigMapSender) -> Self {
        Self {
            key,
            sender,
            staged: None,
            is_known: false,
        }
    }

    /// Takes one step of the list-and-watch that has this ConfigMap in it.
    pub(super) fn apply(&mut self, change: Change<ConfigMap>) {
        match change {
            Change::Init => self.staged = None,
            Change::InitApply(object) if object.key == self.key => self.staged = Some(object.data),
            Change::InitDone => {
                let data = self.staged.take();
                self.publish(data);
            }
            Change::Apply(object) if object.key == self.key => self.publish(Some(object.data)),
            Change::Delete(key) if key == self.key => self.publish(None),
            Change::InitApply(_) | Change::Apply(_) | Change::Delete(_) => {}
        }
    }

    /// States what the ConfigMap holds; tells it only if that is news.
    pub(super) fn publish(&mut self, data: ConfigMapData) {
        let is_first = !std::mem::replace(&mut self.is_known, true);
        self.sender.send_if_modified(|current| {
            let is_news = is_first || *current != data;
            *current = data;
            is_news
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_map(name: &str, value: &str) -> ConfigMap {
        ConfigMap {
            key: ObjectKey::new("kube-system", name),
            data: data(value),
        }
    }

    fn data(value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("k".to_owned(), value.to_owned())])
    }

    #[test]
    fn news_is_told_and_nothing_else() {
        let (sender, mut receiver) = watch::channel(None);
        let wanted = ObjectKey::new("kube-system", "dns");
        let mut followed = Followed::new(wanted.clone(), sender);
        let other = ObjectKey::new("kube-system", "other");
        for (case, change, told) in [
            ("a list begins", Change::Init, None),
            ("empty list", Change::InitDone, Some(None)),
            (
                "created",
                Change::Apply(config_map("dns", "1")),
                Some(Some("1")),
            ),
            ("touched", Change::Apply(config_map("dns", "1")), None),
            ("another", Change::Apply(config_map("other", "9")), None),
            ("another is gone", Change::Delete(other), None),
            ("listed again", Change::Init, None),
            ("as it was", Change::InitApply(config_map("dns", "1")), None),
            (
                "another in the list",
                Change::InitApply(config_map("other", "9")),
                None,
            ),
            ("the list ends", Change::InitDone, None),
            (
                "changed",
                Change::Apply(config_map("dns", "2")),
                Some(Some("2")),
            ),
            ("deleted", Change::Delete(wanted), Some(None)),
            (
                "created again",
                Change::Apply(config_map("dns", "2")),
                Some(Some("2")),
            ),
            ("listed once more", Change::Init, None),
            ("it is not there", Change::InitDone, Some(None)),
        ] {
            followed.apply(change);
            let is_news = receiver.has_changed().unwrap();
            let got = is_news.then(|| receiver.borrow_and_update().clone());
            assert_eq!(got, told.map(|value| value.map(data)), "{case}");
        }
    }
}
