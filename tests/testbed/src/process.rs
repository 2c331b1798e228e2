//! What a running program uses of the machine: memory, files and sockets.

use std::fs;

use anyhow::{Context as _, Result};

/// The memory that a process has in use, in octets (`VmRSS`).
pub fn resident(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("can't read {path}"))?;
    let kibibytes: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
        .with_context(|| format!("{path} has no VmRSS: the process has ended"))?
        .parse()?;
    Ok(kibibytes * 1024)
}

/// How many files and sockets a process has open.
pub fn open_files(pid: u32) -> Result<usize> {
    let path = format!("/proc/{pid}/fd");
    let entries = fs::read_dir(&path).with_context(|| format!("can't read {path}"))?;
    Ok(entries.count())
}

#[cfg(test)]
mod tests {
    use std::process::{self, Command, Stdio};

    use super::*;

    #[test]
    fn this_process_uses_some() {
        assert!(resident(process::id()).unwrap() > 0);
        assert!(open_files(process::id()).unwrap() > 0);
    }

    #[test]
    fn an_ended_process_uses_nothing() {
        let mut cat = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Standard input, output and error; this process may have been given more, which are passed on.
        assert!(open_files(cat.id()).unwrap() >= 3);
        drop(cat.stdin.take());
        cat.wait().unwrap();
        assert!(resident(cat.id()).is_err());
    }
}
