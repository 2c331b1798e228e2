//! The program `dns-ctl` under another version, for tests of upgrades.

use std::process::ExitCode;

fn main() -> ExitCode {
    dns_ctl::program::main()
}
