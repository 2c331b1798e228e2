//! The program `dns-ctl` with the next version of the map contract, for tests of upgrades.

use std::process::ExitCode;

fn main() -> ExitCode {
    dns_ctl::program::main()
}
