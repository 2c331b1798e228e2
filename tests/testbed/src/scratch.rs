//! A temporary folder that is removed when dropped.

use std::{
    env, fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::stale;

/// A folder of this process's own, readable by nobody else.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes an empty folder; `label` shows what it is for.
    pub fn new(label: &str) -> Result<Self> {
        let path = env::temp_dir().join(stale::unique_name(label));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("can't make {}", path.display()))?;
        Ok(Self { path })
    }

    /// Where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file in the folder at once: a watcher sees either nothing or all of it.
    pub fn write(&self, name: &str, content: &str) -> io::Result<PathBuf> {
        let target = self.path.join(name);
        // The leading dot keeps it from being read as one more manifest.
        let unfinished = self.path.join(format!(".{name}.unfinished"));
        fs::write(&unfinished, content)?;
        fs::rename(unfinished, &target)?;
        Ok(target)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing sensible is left to do if it fails; the next process tries again, see `stale`.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_files_and_goes_away() {
        let scratch = Scratch::new("scratch-test").unwrap();
        let path = scratch.path().to_owned();
        let file = scratch.write("a.yaml", "kind: Service").unwrap();
        assert_eq!(fs::read_to_string(file).unwrap(), "kind: Service");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);

        drop(scratch);
        assert!(!path.exists());
    }
}
