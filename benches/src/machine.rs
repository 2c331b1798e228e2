//! What numbers depend on and a reader must know: processor, kernel, JIT.

use std::{fmt, fs, path::Path};

use serde::Serialize;

/// The machine's facts, as far as the kernel tells them.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    jit: String,
    indirect_branches: String,
    clock: String,
    load: String,
}

impl Machine {
    /// Reads them from /proc and /sys.
    pub(crate) fn read() -> Self {
        let cpus = read("/proc/cpuinfo");
        Self {
            cpu: cpu_model(&cpus),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease"),
            jit: jit(&read("/proc/sys/net/core/bpf_jit_enable")).to_owned(),
            indirect_branches: read("/sys/devices/system/cpu/vulnerabilities/spectre_v2"),
            clock: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            load: read("/proc/loadavg"),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "processor  {}, {} cores", self.cpu, self.cores)?;
        writeln!(f, "kernel     {}, clock {}", self.kernel, self.clock)?;
        writeln!(f, "BPF JIT    {}", self.jit)?;
        writeln!(f, "spectre v2 {}", self.indirect_branches)?;
        write!(f, "load       {} (before)", self.load)
    }
}

/// A file's text in one line; what can't be read is unknown.
fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// The first processor's name, with the numbers that tell its generation where the name does not.
fn cpu_model(cpus: &str) -> String {
    let field = |name: &str| {
        cpus.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)
            .map(|(_, value)| value.trim())
    };
    match (field("model name"), field("cpu family"), field("model")) {
        (Some(name), Some(family), Some(model)) => {
            format!("{name} (family {family}, model {model})")
        }
        (Some(name), ..) => name.to_owned(),
        _ => format!("unknown ({})", std::env::consts::ARCH),
    }
}

/// `net.core.bpf_jit_enable` in words.
fn jit(setting: &str) -> &'static str {
    match setting {
        "0" => "off",
        "1" | "2" => "on",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_is_named() {
        let cpus = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: Some CPU\n";
        assert_eq!(cpu_model(cpus), "Some CPU (family 25, model 17)");
        assert!(cpu_model("").starts_with("unknown"));
    }
}
