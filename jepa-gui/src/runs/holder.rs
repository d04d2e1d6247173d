//! Who trains in a run folder right now. The trainer holds the operating system's lock on a file there; asking for that
//! lock would refuse a trainer that starts in the same moment, so the list of held locks is read instead.

use std::path::Path;

/// The process that trains in `run`, where the system tells; none when nobody does.
#[cfg(target_os = "linux")]
pub fn holder(run: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let inode = std::fs::metadata(run.join("lock")).ok()?.ino();
    in_list(&std::fs::read_to_string("/proc/locks").ok()?, inode)
}

/// The process that trains in `run`; never known on this system.
#[cfg(not(target_os = "linux"))]
pub fn holder(_run: &Path) -> Option<u32> {
    None
}

/// Holder of a whole-file lock on an inode: "1: FLOCK  ADVISORY  WRITE 4242 00:2d:1234 0 EOF".
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn in_list(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", process, place, ..] = words.as_slice() else { return None };
        let found = place.rsplit(':').next()?.parse::<u64>().ok()?;
        // Waiting for a lock is not holding it: such lines have "->" as their second word.
        (found == inode).then(|| process.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_found_by_inode_and_one_who_waits_is_not_it() {
        let locks = "1: POSIX  ADVISORY  WRITE 12 00:2d:77 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 4242 00:2d:1234 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 9 00:2d:1234 0 EOF\n";
        assert_eq!((in_list(locks, 1234), in_list(locks, 77), in_list("", 1)), (Some(4242), None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_held_run_names_this_process_and_a_left_one_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let lock = std::fs::File::create(folder.path().join("lock")).unwrap();
        assert_eq!(holder(folder.path()), None);
        lock.try_lock().unwrap();
        // Some sandboxes hide the list of locks; where it shows anything it must show this.
        if std::fs::read_to_string("/proc/locks").is_ok_and(|l| !l.is_empty()) {
            assert_eq!(holder(folder.path()), Some(std::process::id()));
        }
        drop(lock);
        assert_eq!(holder(folder.path()), None);
    }
}
