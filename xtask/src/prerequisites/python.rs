//! Programs and libraries from Python's registry, in folders of their own below the build output.

use std::{fs, path::PathBuf, process::Command};

use anyhow::Result;

use crate::workspace::{Workspace, run};

/// Makes a virtual environment that has what `requirements` names, as pip writes it; gives its folder.
///
/// One that has just that is left as it is.
pub(crate) fn environment(
    workspace: &Workspace,
    name: &str,
    requirements: &str,
) -> Result<PathBuf> {
    let folder = workspace.target_dir.join("python").join(name);
    let stamp = folder.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == requirements) {
        return Ok(folder);
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&folder))?;
    // Under another name until everything is there.
    let wanted = folder.join("wanted.txt");
    fs::write(&wanted, requirements)?;
    run(Command::new(folder.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet"])
        .args(["--disable-pip-version-check", "--requirement"])
        .arg(&wanted))?;
    fs::rename(wanted, stamp)?;
    Ok(folder)
}
