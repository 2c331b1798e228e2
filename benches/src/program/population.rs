//! What the maps are filled with: names of every sort, the zones, the addresses of DNS.

use anyhow::Result;
use dns_common::{
    entry::{Content, Entry, EntryError},
    hash::{HashKeys, NameKey},
    head::Others,
    state::State,
    zones::Zones,
};
use dns_ctl::{attach::maps::KernelMaps, table, zone::name::Domain};
use packets::fixture;

use super::names::{self, DOMAIN, Sort};

/// Fills the maps with `population` names of each sort, all else like the maps of the tests.
pub(crate) fn fill(maps: &mut KernelMaps, population: usize) -> Result<()> {
    for service in fixture::services() {
        let words: [u32; 5] = bytemuck::cast(service);
        maps.services.insert(words, 1, 0)?;
    }
    let keys = fixture::keys();
    for sort in Sort::ALL {
        for number in 0..population {
            let (key, entry) =
                entry(&keys, sort, number).map_err(|error| anyhow::anyhow!("{error:?}"))?;
            let words: [u64; size_of::<Entry>() / 8] = bytemuck::cast(entry);
            maps.names.insert(key.0, words, 0)?;
        }
    }
    let state: [u64; size_of::<State>() / 8] = bytemuck::cast(fixture::state());
    maps.state.set(0, state, 0)?;
    Ok(maps.configure(fixture::config(), &zones()?)?)
}

/// The zones as dns-ctl has them in mode serve: what lies in `pod` exists by a rule.
fn zones() -> Result<Zones> {
    let domain: Domain = DOMAIN.parse()?;
    table::zones(&[domain], true).map_err(|error| anyhow::anyhow!("{error:?}"))
}

/// The entry of a name under its key; Services have ports, so their SRV records are left to the server.
fn entry(keys: &HashKeys, sort: Sort, number: usize) -> Result<(NameKey, Entry), EntryError> {
    let wire = names::wire(&sort.held(number));
    let (fours, sixes) = match sort {
        Sort::Short | Sort::Middle | Sort::Long => (1, 0),
        Sort::Six => (0, 1),
        Sort::FewFour => (3, 0),
        Sort::ManyFour => (27, 0),
        Sort::ManySix => (0, 8),
        Sort::Reverse => (0, 0),
    };
    let target = names::wire(&Sort::Middle.held(number));
    let a: Vec<[u8; 4]> = (0..fours).map(|index| octets(number, index)).collect();
    let aaaa: Vec<[u8; 16]> = (0..sixes).map(|index| octets(number, index)).collect();
    let content = match sort {
        Sort::Reverse => Content::Reverse(&target),
        _ => Content::Owner {
            zone_len: names::wire(DOMAIN).len(),
            a: &a,
            aaaa: &aaaa,
            others: Others::SRV,
        },
    };
    Ok((keys.name_key(&wire), Entry::new(keys, &wire, &content)?))
}

/// An address: the name's number, and which of the name's addresses it is.
fn octets<const N: usize>(number: usize, index: u8) -> [u8; N] {
    let mut octets = [0; N];
    octets[..3].copy_from_slice(&number.to_le_bytes()[..3]);
    octets[N - 1] = index;
    octets
}

#[cfg(test)]
pub(crate) mod tests {
    use packets::host::HostMaps;

    use super::*;

    /// The same maps on the host.
    pub(crate) fn host_maps(population: usize) -> HostMaps {
        let keys = fixture::keys();
        let entries = Sort::ALL.into_iter().flat_map(|sort| {
            (0..population).map(move |number| entry(&keys, sort, number).expect("a name"))
        });
        HostMaps {
            names: entries.map(|(key, entry)| (key, entry.into())).collect(),
            ..HostMaps::with_zones(zones().expect("there is room"))
        }
    }

    #[test]
    fn every_set_has_room() {
        for sort in Sort::ALL {
            let (_, entry) = entry(&fixture::keys(), sort, 7).expect("a name");
            let (first, second) = entry.set_octets();
            let octets = match sort {
                Sort::Short | Sort::Middle | Sort::Long => (4, 0),
                Sort::Six => (0, 16),
                Sort::FewFour => (12, 0),
                Sort::ManyFour => (108, 0),
                Sort::ManySix => (0, 128),
                Sort::Reverse => (40, 0),
            };
            assert_eq!((first.len(), second.len()), octets, "{sort:?}");
        }
    }
}
