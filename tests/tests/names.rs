//! Names that do not exist, next to a hundred thousand that do: none is confused with another.
//!
//! `KXDNS_ABSENT_NAMES` says how many; a release run with a million takes about a minute:
//! `KXDNS_ABSENT_NAMES=1000000 cargo test --release -p kxdns-tests --test names`.

use std::{
    collections::{BTreeMap, HashMap},
    env,
    net::Ipv4Addr,
};

use anyhow::{Result, ensure};
use aya::programs::{TestRun as _, TestRunOptions};
use dns_common::{Hook, Outcome};
use dns_ctl::{
    attach::kernel::{Kernel, OBJECT},
    table::{
        self, Table,
        render::Rendering,
        writer::{Denial, Lease, NameMap, change},
    },
    zone::{
        PodNames, Policy,
        object::{Change, Event, Namespace, ObjectKey, Reach, Service, SliceList},
        store::Store,
    },
};
use hickory_proto::rr::RecordType;
use packets::{
    build::{DNS, frame, message, octets},
    fixture,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

/// Names of Services, in so many namespaces.
const SERVICES: u32 = 100_000;
const NAMESPACES: u32 = 100;
/// Questions for names that do not exist, unless said otherwise.
const ABSENT: u32 = 100_000;
/// `TC_ACT_REDIRECT` (`linux/pkt_cls.h`).
const REDIRECT: u32 = 7;
const DOMAIN: &str = "cluster.local";

/// What a name is, by the words of the specification and not by the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    Address(Ipv4Addr),
    Empty,
    Absent,
    Outside,
}

fn namespace(number: u32) -> String {
    format!("team-{}", number % NAMESPACES)
}

fn service(number: u32) -> String {
    // Names that are beginnings of each other: api, api-1, api-12, ...
    match number / NAMESPACES {
        0 => "api".to_owned(),
        at => format!("api-{at}"),
    }
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0000 | (number + 1))
}

/// Every name of the cluster that exists, in lower case.
fn existing() -> HashMap<String, Truth> {
    let mut names = HashMap::new();
    for fixed in ["", "svc.", "pod.", "dns-version."] {
        names.insert(format!("{fixed}{DOMAIN}"), Truth::Empty);
    }
    for number in 0..NAMESPACES {
        names.insert(format!("{}.svc.{DOMAIN}", namespace(number)), Truth::Empty);
    }
    for number in 0..SERVICES {
        let name = format!("{}.{}.svc.{DOMAIN}", service(number), namespace(number));
        names.insert(name, Truth::Address(address(number)));
    }
    names
}

fn truth(names: &HashMap<String, Truth>, name: &str) -> Truth {
    let name = name.to_ascii_lowercase();
    let inside = name == DOMAIN || name.ends_with(&format!(".{DOMAIN}"));
    let absent = if inside {
        Truth::Absent
    } else {
        Truth::Outside
    };
    names.get(&name).copied().unwrap_or(absent)
}

fn store() -> Store {
    let mut store = Store::new(Policy {
        pods: PodNames::Disabled,
        ..Policy::default()
    });
    store.apply(Event::Namespace(Change::Init));
    for number in 0..NAMESPACES {
        let key = ObjectKey::new("", &namespace(number));
        store.apply(Event::Namespace(Change::InitApply(Namespace { key })));
    }
    store.apply(Event::Namespace(Change::InitDone));
    store.apply(Event::Service(Change::Init));
    for number in 0..SERVICES {
        store.apply(Event::Service(Change::InitApply(Service {
            key: ObjectKey::new(&namespace(number), &service(number)),
            reach: Reach::ClusterIps([address(number).into()].into()),
            ports: [].into(),
            is_dns: false,
        })));
    }
    store.apply(Event::Service(Change::InitDone));
    for list in [SliceList::Headless, SliceList::Foreign] {
        store.apply(Event::EndpointSlice(list, Change::Init));
        store.apply(Event::EndpointSlice(list, Change::InitDone));
    }
    store
}

/// A name near one that exists, made by a small change.
fn near(rng: &mut StdRng, names: &[&String]) -> String {
    let name = names.choose(rng).expect("there are names");
    let mut labels: Vec<String> = name.split('.').map(str::to_owned).collect();
    match rng.random_range(0..9) {
        // A beginning, an end, a name below, a name between.
        0 => drop(labels.pop()),
        1 => drop(labels.remove(0)),
        2 => labels.insert(0, "x".to_owned()),
        3 => labels.insert(rng.random_range(0..=labels.len()), "y".to_owned()),
        // One character more, less, or another.
        4 => labels[0].push('0'),
        5 => drop(labels[0].pop()),
        6 | 7 => {
            let at = rng.random_range(0..labels.len());
            let place = rng.random_range(0..labels[at].len().max(1));
            let other = b"abcdefghijklmnopqrstuvwxyz0123456789-"[rng.random_range(0..37)];
            let label = &mut labels[at];
            if place < label.len() {
                label.replace_range(place..=place, &char::from(other).to_string());
            }
        }
        // Two labels exchanged.
        _ => {
            let (first, second) = (
                rng.random_range(0..labels.len()),
                rng.random_range(0..labels.len()),
            );
            labels.swap(first, second);
        }
    }
    labels.retain(|label| !label.is_empty());
    labels.join(".")
}

fn with_random_case(rng: &mut StdRng, name: &str) -> String {
    let letters = name.chars().map(|letter| {
        if rng.random() {
            letter.to_ascii_uppercase()
        } else {
            letter
        }
    });
    letters.collect()
}

#[test]
fn no_name_is_confused_with_another() -> Result<()> {
    let mut kernel = Kernel::load(OBJECT, 4 * SERVICES)?;
    let mut maps = kernel.take_maps()?;
    maps.services
        .insert(bytemuck::cast::<_, [u32; 5]>(fixture::service()), 1, 0)?;
    let domains = [DOMAIN.parse()?];
    let zones = table::zones(&domains, false).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    maps.configure(fixture::config(), &zones)?;
    let keys = fixture::keys();
    let mut map = NameMap::open(maps.names, maps.state, keys, 0)?;
    let (mut store, mut table) = (store(), Table::default());
    let touched = store.take_touched(1);
    let rendering = Rendering {
        domains: &domains,
        negative: true,
        keys: &keys,
    };
    let report = change(
        &mut table,
        &mut map,
        rendering.wanted(store.zone(), &touched),
    );
    ensure!(report.error.is_none() && table.is_complete(), "{report:?}");
    map.renew(Lease::ENDLESS)?;
    map.publish(
        Denial {
            names: true,
            types: true,
        },
        1,
    )?;

    let existing = existing();
    let mut names: Vec<&String> = existing.keys().collect();
    names.sort_unstable();
    let mut rng = StdRng::seed_from_u64(7);
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let mut reply = vec![0; 1500];
    let wanted = match env::var("KXDNS_ABSENT_NAMES") {
        Ok(text) => text.parse()?,
        Err(_) => ABSENT,
    };
    let mut absent: u32 = 0;
    while absent < wanted {
        let mut name = if rng.random_ratio(1, 4) {
            (*names.choose(&mut rng).expect("there are names")).clone()
        } else {
            near(&mut rng, &names)
        };
        if rng.random_ratio(1, 4) {
            name = with_random_case(&mut rng, &name);
        }
        let truth = truth(&existing, &name);
        if truth == Truth::Absent {
            absent += 1;
        }
        let query = frame(&octets(&message(&name, RecordType::A)));
        let run = kernel.tc()?.test_run(TestRunOptions {
            data_in: Some(&query),
            data_out: Some(&mut reply),
            ..TestRunOptions::default()
        })?;
        let is_answer = run.return_value == REDIRECT;
        let message = &reply[DNS..usize::try_from(run.data_size_out)?];
        let rcode = message[3] & 15;
        let data = message.len().checked_sub(4).map(|at| &message[at..]);
        let good = match truth {
            Truth::Address(address) => is_answer && rcode == 0 && data == Some(&address.octets()),
            Truth::Empty => is_answer && rcode == 0 && message[7] == 0,
            Truth::Absent => is_answer && rcode == 3 && message[7] == 0,
            Truth::Outside => !is_answer,
        };
        ensure!(
            good,
            "{name} is {truth:?}, but came to {rcode} ({is_answer})"
        );
        let label = match truth {
            Truth::Address(_) => "answered",
            Truth::Empty => "empty",
            Truth::Absent => "denied",
            Truth::Outside => "passed",
        };
        *counts.entry(label).or_default() += 1;
    }
    println!("{} names held; {counts:?}", table.held().len());
    for outcome in [
        Outcome::Hit(dns_common::Hit::NxDomain),
        Outcome::Hit(dns_common::Hit::NoData),
    ] {
        let outcomes = dns_ctl::attach::counters::Outcomes::read(&maps.outcomes)?;
        ensure!(
            outcomes.count(outcome) > 0,
            "{outcome:?} was not met on {}",
            Hook::Tc.label()
        );
    }
    Ok(())
}
