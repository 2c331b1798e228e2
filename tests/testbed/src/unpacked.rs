//! Programs of Debian packages that are only unpacked: installed, some would start a service.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Where packages have their programs.
const PROGRAMS: [&str; 2] = ["usr/bin", "usr/sbin"];

/// A program on PATH, or of a package that `cargo xtask prerequisites` has unpacked.
pub fn unpacked(package: &str, name: &str) -> Result<PathBuf> {
    // This program is <target>/<profile>/deps/<name>.
    let this = env::current_exe()?;
    let target = this
        .ancestors()
        .nth(3)
        .context("a test lies in the target folder")?;
    find_unpacked(target, package, name).with_context(|| {
        format!("there is no {name}: `cargo xtask prerequisites test` unpacks Debian's package {package}")
    })
}

/// As [`unpacked`], with the target folder; `None` if the program is not there.
#[must_use]
pub fn find_unpacked(target: &Path, package: &str, name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let unpacked = unpacked_folder(target, package);
    let folders = env::split_paths(&path).chain(PROGRAMS.map(|folder| unpacked.join(folder)));
    folders
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// Where a package is unpacked.
#[must_use]
pub fn unpacked_folder(target: &Path, package: &str) -> PathBuf {
    target.join("peers").join(package)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scratch;

    #[test]
    fn a_program_is_found_on_path_and_where_it_is_unpacked() {
        let target = Scratch::new("target").unwrap();
        let find = |name| find_unpacked(target.path(), "some", name);
        assert!(find("sh").is_some());
        assert_eq!(find("kxdns-nobody-has-this"), None);
        let folder = unpacked_folder(target.path(), "some").join("usr/bin");
        std::fs::create_dir_all(&folder).unwrap();
        let program = folder.join("kxdns-nobody-has-this");
        std::fs::write(&program, "").unwrap();
        assert_eq!(find("kxdns-nobody-has-this"), Some(program));
    }
}
