//! The commands beside `run`: they look at a running instance, prepare for one, or translate for one.

pub mod check;
pub mod import;
pub mod lookup;
pub mod status;
pub mod trace;
pub mod uninstall;

use std::path::Path;

use aya::maps::Map;
use dns_common::maps::{ABI_VERSION, Config, map_name};

use crate::attach::{maps::ConfigMap, pins};

/// The configuration in the maps of the instance at `bpffs`, if this program can read its maps.
fn read_config(bpffs: &Path) -> anyhow::Result<Config> {
    let map = Map::from_map_data(pins::open(bpffs, map_name::CONFIG)?)?;
    let config: Config = bytemuck::cast(ConfigMap::try_from(map)?.get(&0, 0)?);
    // Zero: the instance has not come so far as to write it.
    anyhow::ensure!(
        [0, ABI_VERSION].contains(&config.version),
        "the maps are of version {}, this dns-ctl reads version {ABI_VERSION}: use the dns-ctl that runs",
        config.version
    );
    Ok(config)
}
