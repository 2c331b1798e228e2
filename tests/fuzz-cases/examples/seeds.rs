//! Writes the seeds of a fuzz target into a folder: `cargo run -p fuzz-cases --example seeds TARGET FOLDER`.

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let (Some(target), Some(folder)) = (arguments.next(), arguments.next().map(PathBuf::from))
    else {
        return Err(io::Error::other("give a target and a folder"));
    };
    fs::create_dir_all(&folder)?;
    for (at, seed) in fuzz_cases::seeds::seeds(&target).iter().enumerate() {
        fs::write(folder.join(format!("seed-{at:03}")), seed)?;
    }
    Ok(())
}
