//! The snapshot on the disk: replaced as a whole, set aside when it is spoilt, bounded.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;
use crate::zone::store::Store;

const STEPS: [Step; 5] = [
    Step::Make,
    Step::Fill,
    Step::Sync,
    Step::Rename,
    Step::SyncFolder,
];

fn scope() -> Scope {
    Scope::from_text("tests")
}

fn snapshot_at(seconds: u64) -> Vec<u8> {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    format::file(&format::payload(&Store::default().contents()), at, "tests")
}

fn opened() -> (TempDir, Folder) {
    let above = tempfile::tempdir().unwrap();
    let folder = Folder::open(&above.path().join("state")).unwrap();
    (above, folder)
}

/// The names in the folder, in order.
fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(&folder.path).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// When the snapshot that can be loaded was written, in seconds since 1970.
fn loaded(folder: &Folder) -> Option<u64> {
    let restored = folder.load(&scope()).unwrap()?;
    let since = restored.written.duration_since(SystemTime::UNIX_EPOCH);
    Some(since.unwrap().as_secs())
}

#[test]
fn what_is_written_is_loaded_until_the_next_takes_its_place() {
    let (_above, folder) = opened();
    assert_eq!(mode(&folder.path), 0o700);
    assert_eq!(names(&folder), [] as [&str; 0]);
    assert_eq!(loaded(&folder), None);
    for seconds in [7, 8] {
        let file = snapshot_at(seconds);
        let (header, payload) = file.split_at(10);
        folder.write(&[header, payload]).unwrap();
        assert_eq!(loaded(&folder), Some(seconds));
        assert_eq!(names(&folder), [SNAPSHOT]);
        assert_eq!(mode(&folder.file()), 0o600);
    }
    // The next process finds it.
    assert_eq!(loaded(&Folder::open(&folder.path).unwrap()), Some(8));
}

#[test]
fn a_write_that_fails_at_any_step_leaves_a_whole_snapshot_and_nothing_else() {
    let (_above, folder) = opened();
    folder.write(&[&snapshot_at(7)]).unwrap();
    for failing in STEPS {
        let written = folder.write_by_steps(&[&snapshot_at(8)], |step| {
            if step == failing {
                return Err(ErrorKind::StorageFull.into());
            }
            Ok(())
        });
        let error = written.unwrap_err();
        assert_eq!(error.step, failing);
        // After the last but one the new one is there, only not certain to outlive a crash.
        let expected = if failing == Step::SyncFolder { 8 } else { 7 };
        assert_eq!(loaded(&folder), Some(expected), "{failing:?}");
        assert_eq!(names(&folder), [SNAPSHOT], "{failing:?}");
    }
}

#[test]
fn until_the_new_one_is_whole_the_old_one_is_there() {
    let (_above, folder) = opened();
    folder.write(&[&snapshot_at(7)]).unwrap();
    let mut steps = Vec::new();
    let written = folder.write_by_steps(&[&snapshot_at(8)], |step| {
        steps.push(step);
        let expected = if step == Step::SyncFolder { 8 } else { 7 };
        assert_eq!(loaded(&folder), Some(expected), "{step:?}");
        Ok(())
    });
    written.unwrap();
    assert_eq!(steps, STEPS);
}

#[test]
fn a_folder_that_has_gone_is_an_error_with_its_step() {
    let (_above, folder) = opened();
    fs::remove_dir(&folder.path).unwrap();
    let error = folder.write(&[&snapshot_at(7)]).unwrap_err();
    assert_eq!(error.step, Step::Make);
    fs::write(&folder.path, "a file").unwrap();
    let error = folder.write(&[&snapshot_at(7)]).unwrap_err();
    assert!(
        error.to_string().starts_with("a new file can't be made: "),
        "{error}"
    );
}

#[test]
fn what_takes_the_name_of_the_snapshot_is_an_error_and_no_loss() {
    let (_above, folder) = opened();
    fs::create_dir(folder.file()).unwrap();
    let error = folder.write(&[&snapshot_at(7)]).unwrap_err();
    assert_eq!(error.step, Step::Rename);
    assert_eq!(names(&folder), [SNAPSHOT]);
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let (_above, folder) = opened();
    folder.write(&[&snapshot_at(7)]).unwrap();
    let some = vec![b' '; 16 << 20];
    let error = folder.write(&[&some[..]; 17]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the new file can't be written: it would have more than 268435456 octets"
    );
    assert_eq!(loaded(&folder), Some(7));
}

#[test]
fn what_a_killed_writer_has_left_goes_at_the_next_start() {
    let (_above, folder) = opened();
    folder.write(&[&snapshot_at(7)]).unwrap();
    // As if this process had ended here.
    let (_, left) = folder.unfinished().unwrap().keep().unwrap();
    fs::write(folder.path.join("else"), "somebody's").unwrap();
    fs::write(folder.path.join(SET_ASIDE), "").unwrap();
    assert!(left.exists());
    let folder = Folder::open(&folder.path).unwrap();
    assert_eq!(names(&folder), ["else", SNAPSHOT, SET_ASIDE]);
    assert_eq!(loaded(&folder), Some(7));
}

#[test]
fn a_spoilt_snapshot_is_set_aside_and_only_the_last_one_kept() {
    let (_above, folder) = opened();
    let aside = folder.path.join(SET_ASIDE);
    let whole = snapshot_at(7);
    for (file, reason) in [
        (&b"no snapshot\n"[..], "its header can't be read: expected "),
        (b"{}", "it has no header: it is cut off, or not a snapshot;"),
        (
            &whole[..whole.len() - 8],
            "59 octets should follow its header, but it has 51;",
        ),
    ] {
        fs::write(folder.file(), file).unwrap();
        let error = folder.load(&scope()).unwrap_err();
        assert!(matches!(error, LoadError::Corrupt { .. }));
        let text = error.to_string();
        let begin = format!(
            "the snapshot {} is not used: {reason}",
            folder.file().display()
        );
        assert!(text.starts_with(&begin), "{text}");
        let end = format!("; it was set aside as {}", aside.display());
        assert!(text.ends_with(&end), "{text}");
        assert_eq!(fs::read(&aside).unwrap(), file);
        assert_eq!(names(&folder), [SET_ASIDE]);
        assert_eq!(loaded(&folder), None);
    }
    folder.write(&[&snapshot_at(9)]).unwrap();
    assert_eq!(loaded(&folder), Some(9));
}

#[test]
fn what_is_no_file_is_neither_followed_nor_waited_for() {
    let (above, folder) = opened();
    let elsewhere = above.path().join("elsewhere");
    fs::write(&elsewhere, snapshot_at(7)).unwrap();
    symlink(&elsewhere, folder.file()).unwrap();
    let error = folder.load(&scope()).unwrap_err().to_string();
    assert!(error.contains("it is not a regular file"), "{error}");
    assert!(elsewhere.exists() && !folder.file().is_symlink());

    nix::unistd::mkfifo(&folder.file(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let error = folder.load(&scope()).unwrap_err().to_string();
    assert!(error.contains("it is not a regular file"), "{error}");

    // A folder can't take the place of a file that was set aside before.
    fs::create_dir(folder.file()).unwrap();
    let error = folder.load(&scope()).unwrap_err();
    assert!(matches!(error, LoadError::Stuck { .. }), "{error}");
    assert!(
        error.to_string().contains("it can't be set aside: "),
        "{error}"
    );
}

#[test]
fn a_file_of_absurd_size_is_not_read() {
    let (_above, folder) = opened();
    let file = File::create(folder.file()).unwrap();
    // It takes no room on the disk.
    file.set_len(1 << 40).unwrap();
    let error = folder.load(&scope()).unwrap_err().to_string();
    assert!(
        error.contains("it has more than 268435456 octets; it was set aside"),
        "{error}"
    );
}

#[test]
fn a_snapshot_of_something_else_stays_until_the_next_one() {
    let (_above, folder) = opened();
    let other = Scope::from_text("others");
    let newer = b"{\"kxdns\":\"snapshot\",\"version\":2}\n".to_vec();
    for (file, scope) in [(snapshot_at(7), other), (newer, scope())] {
        fs::write(folder.file(), &file).unwrap();
        assert!(matches!(folder.load(&scope), Ok(None)));
        assert_eq!(fs::read(folder.file()).unwrap(), file);
        assert_eq!(names(&folder), [SNAPSHOT]);
    }
    folder.write(&[&snapshot_at(9)]).unwrap();
    assert_eq!(loaded(&folder), Some(9));
}

#[test]
fn a_snapshot_from_the_future_is_as_good_as_new() {
    let (_above, folder) = opened();
    folder.write(&[&snapshot_at(7)]).unwrap();
    let restored = folder.load(&scope()).unwrap().unwrap();
    let now = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!(restored.age(now(10)), Duration::from_secs(3));
    assert_eq!(restored.age(now(7)), Duration::ZERO);
    assert_eq!(restored.age(now(1)), Duration::ZERO);
}

#[test]
fn a_folder_that_can_not_be_used_is_refused_with_what_to_do() {
    let above = tempfile::tempdir().unwrap();
    let missing = above.path().join("a").join("b");
    let error = Folder::open(&missing).unwrap_err().to_string();
    let begin = format!("the folder {} can't be made: ", missing.display());
    assert!(error.starts_with(&begin), "{error}");
    assert!(error.ends_with("or give another --state-dir"), "{error}");
    assert!(!above.path().join("a").exists());

    let file = above.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Folder::open(&file).unwrap_err().to_string();
    let expected = format!(
        "{} is not a folder; give another --state-dir",
        file.display()
    );
    assert_eq!(error, expected);

    // Nobody makes files there, not even root.
    let error = Folder::open(Path::new("/proc/self/fdinfo")).unwrap_err();
    assert!(matches!(error, FolderError::Unusable { .. }), "{error}");
}
