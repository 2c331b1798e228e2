//! Replays the seeds, and what the fuzz targets have found worth keeping.

use std::{
    fs,
    path::{Path, PathBuf},
};

use fuzz_cases::{TARGETS, seeds::seeds};

/// The files of a folder of `fuzz/`; none if it is not there.
fn files(kind: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz")
        .join(kind)
        .join(target);
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    files.sort();
    files
}

#[test]
fn every_kept_input_holds() {
    for target in TARGETS {
        for kind in ["corpus", "crashes"] {
            for file in files(kind, target.name) {
                // A panic does not say which input it was: the test's output does.
                println!("{}", file.display());
                (target.run)(&fs::read(file).unwrap());
            }
        }
    }
}

#[test]
fn every_seed_holds() {
    for target in TARGETS {
        for (at, seed) in seeds(target.name).iter().enumerate() {
            println!("{} {at}: {seed:02x?}", target.name);
            (target.run)(seed);
        }
    }
}
