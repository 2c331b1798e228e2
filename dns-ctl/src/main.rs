//! The program `dns-ctl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dns_ctl::program::main()
}
