//! The packet path on the host beside the server, on random clusters.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashSet},
    env,
};

use agreement::{Cluster, Maps, judge::Judge, question::Names};
use anyhow::{Context as _, Result};
use dns_common::{Hit, scratch::ScratchCells};
use packets::{
    build::{DNS, frame},
    fixture,
    host::HostMaps,
};
use rand::{SeedableRng as _, rngs::StdRng};

const CLUSTERS: u64 = 60;
const QUESTIONS: usize = 500;

fn host(maps: Maps) -> HostMaps {
    HostMaps {
        config: Some(maps.config.into()),
        state: Some(maps.state.into()),
        zones: Some(Box::new(maps.zones.into())),
        services: HashSet::from([fixture::service()]),
        names: maps
            .names
            .into_iter()
            .map(|(key, entry)| (key, entry.into()))
            .collect(),
        scratch: Some(ScratchCells::default()),
        now: fixture::NOW,
        buckets: RefCell::default(),
    }
}

/// `KXDNS_AGREEMENT_SEED` begins elsewhere, `KXDNS_AGREEMENT_CLUSTERS` makes more of them.
fn number(name: &str, otherwise: u64) -> Result<u64> {
    match env::var(format!("KXDNS_AGREEMENT_{name}")) {
        Ok(text) => text.parse().with_context(|| format!("{name}={text}")),
        Err(_) => Ok(otherwise),
    }
}

#[test]
fn what_the_packet_path_answers_is_what_the_server_says() -> Result<()> {
    let seed = number("SEED", 1)?;
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in seed..seed + number("CLUSTERS", CLUSTERS)? {
        let cluster = Cluster::new(seed);
        let maps = cluster.maps();
        let (maps, names) = (host(maps), Names::of(&cluster));
        let mut judge = Judge::new(&cluster)?;
        let mut rng = StdRng::seed_from_u64(seed);
        for _ in 0..QUESTIONS {
            let query = names.query(&mut rng);
            let (outcome, octets) = maps.run(&frame(&query));
            judge
                .judge(&query, outcome, &octets[DNS..])
                .with_context(|| format!("seed {seed}"))?;
        }
        for (label, count) in judge.met {
            *met.entry(label).or_default() += count;
        }
    }
    println!("{met:#?}");
    // Nobody here is over a limit.
    for hit in Hit::ALL.iter().filter(|&&hit| hit != Hit::Truncated) {
        assert!(met.contains_key(hit.label()), "{} is not met", hit.label());
    }
    Ok(())
}
