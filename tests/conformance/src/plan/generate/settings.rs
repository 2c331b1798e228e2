//! Throws the dice for how a cluster is served.

use super::{MARKER_NAMESPACE, MARKERS, NAMESPACES};
use crate::{
    dice::Dice,
    plan::{Endpoints, Exposure, Pods, Selector, Settings},
};

pub(super) fn settings(dice: &mut Dice) -> Settings {
    let domains: &[&str] = dice.weigh(&[
        (4, &["cluster.local"][..]),
        (1, &["k8s.example.net"]),
        (1, &["cluster.local", "k8s.example.net"]),
        (1, &["corp", "cluster.local"]),
    ]);
    let exposure = match dice.number(0..=5) {
        0..=3 => Exposure::All,
        4 => {
            let mut names = vec![MARKERS.to_owned(), MARKER_NAMESPACE.to_owned()];
            let possible = ["default", "kube-system"].into_iter().chain(NAMESPACES);
            names.extend(possible.filter(|_| dice.one_in(2)).map(str::to_owned));
            Exposure::Namespaces(names)
        }
        _ => Exposure::Selector(*dice.pick(&Selector::ALL)),
    };
    Settings {
        domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
        ttl: *dice.pick(&[5, 5, 5, 5, 0, 30, 300, 3600]),
        pods: *dice.pick(&[
            Pods::Insecure,
            Pods::Insecure,
            Pods::Verified,
            Pods::Disabled,
        ]),
        endpoints: *dice.pick(&[Endpoints::Headless, Endpoints::All]),
        exposure,
        service_selector: dice.one_in(6).then(|| *dice.pick(&Selector::ALL)),
        ignore_empty: dice.one_in(4),
    }
}
