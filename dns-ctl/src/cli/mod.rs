//! The commands beside `run`: they look at a running instance, prepare for one, or translate for one.

pub mod check;
pub mod dump;
pub mod import;
pub mod lookup;
pub mod pages;
pub mod status;
pub mod top;
pub mod trace;
pub mod uninstall;

use std::{
    io::{self, Write as _},
    path::Path,
};

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

/// Writes to standard output at once; whether anybody reads it still, since `head` leaves when it has enough.
fn print(text: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        result => result.map(|()| true),
    }
}
