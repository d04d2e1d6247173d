//! A checkpoint is one folder and one transaction: files, then a manifest with their sizes and SHA-256, then a rename.
//!
//! Whatever moment the process dies at, the folder is either complete or has a name that nobody reads. On loading every
//! hash is verified first; a damaged checkpoint is passed over for the one before it, aloud.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Storage;
use crate::data::Quarantine;
use crate::error::{Error, Result};
use crate::train::Guard;

/// Version of the layout; a reader refuses a newer one.
pub(crate) const FORMAT: u32 = 1;

/// Everything of a run's state that is not a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Variant the weights belong to.
    pub variant: String,
    /// Steps done.
    pub step: u64,
    /// Updates applied (steps less the skipped ones).
    pub updates: u64,
    /// What went wrong so far.
    pub guard: Guard,
    /// Damaged samples met so far.
    pub quarantine: Quarantine,
}

/// What a checkpoint folder must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Layout version.
    pub format: u32,
    /// Version of this library.
    pub version: String,
    /// Variant id.
    pub variant: String,
    /// Files by name.
    pub files: BTreeMap<String, FileEntry>,
}

/// Size and hash of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// A verified checkpoint in memory.
#[derive(Debug)]
pub struct Bundle {
    /// Its folder.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// Files by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Why newer checkpoints were passed over, if any.
    pub passed_over: Vec<String>,
}

impl Bundle {
    /// A file's bytes.
    pub fn file(&self, name: &str) -> Result<&[u8]> {
        self.files.get(name).map(Vec::as_slice).ok_or_else(|| Error::format(&self.path, format!("holds no `{name}`")))
    }

    /// The run's state.
    pub fn state(&self) -> Result<State> {
        serde_json::from_slice(self.file("state.json")?)
            .map_err(|e| Error::format(self.path.join("state.json"), format!("not a state of this version: {e}")))
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Name of the checkpoint of a step.
fn folder_name(step: u64) -> String {
    format!("step-{step:09}")
}

/// Writes the checkpoint of `step` under `folder` and prunes all but the newest `keep`, after reading the new one back.
pub fn save(
    storage: &dyn Storage,
    folder: &Path,
    variant: &str,
    step: u64,
    files: &BTreeMap<String, Vec<u8>>,
    keep: usize,
) -> Result<PathBuf> {
    let scratch = folder.join(format!(".tmp-{}", folder_name(step)));
    let place = folder.join(folder_name(step));
    let aside = folder.join(format!(".tmp-old-{}", folder_name(step)));
    let write = || {
        storage.remove_folder(&scratch)?;
        storage.create_folder(&scratch)?;
        let entry = |bytes: &Vec<u8>| FileEntry { size: bytes.len() as u64, sha256: hash(bytes) };
        for (name, bytes) in files {
            storage.write(&scratch.join(name), bytes)?;
        }
        let manifest = Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            variant: variant.to_owned(),
            files: files.iter().map(|(name, bytes)| (name.clone(), entry(bytes))).collect(),
        };
        let manifest = serde_json::to_vec_pretty(&manifest).map_err(|e| Error::Engine(e.to_string()))?;
        storage.write(&scratch.join("manifest.json"), &manifest)?;
        // A checkpoint of this step can be there already, after a roll-back or a resume. It stays until the new one is
        // in its place: it may be the only one.
        if !place.exists() {
            return storage.rename(&scratch, &place);
        }
        storage.remove_folder(&aside)?;
        storage.rename(&place, &aside)?;
        if let Err(error) = storage.rename(&scratch, &place) {
            let _ = storage.rename(&aside, &place);
            return Err(error);
        }
        // If this fails, the next process clears it away.
        let _ = storage.remove_folder(&aside);
        Ok(())
    };
    if let Err(error) = write() {
        // What is left of the attempt must not eat the space that the next one needs.
        let _ = storage.remove_folder(&scratch);
        return Err(error);
    }
    verify(storage, &place)?;
    for (_, old) in newest_first(folder)?.into_iter().skip(keep.max(1)) {
        storage.remove_folder(&old)?;
    }
    Ok(place)
}

/// Clears away what a killed process left of an unfinished checkpoint. One that is whole, and was killed on the way to its
/// place, is put there; of two the newer one.
pub fn clear_scratch(storage: &dyn Storage, folder: &Path) -> Result<()> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut left: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    left.retain(|name| name.starts_with(".tmp-"));
    // `.tmp-step-..` before `.tmp-old-step-..`, which it was to replace.
    left.sort_by(|a, b| b.cmp(a));
    for name in left {
        let (scratch, place) =
            (folder.join(&name), folder.join(name.trim_start_matches(".tmp-").trim_start_matches("old-")));
        if !place.exists() && verify(storage, &scratch).is_ok() {
            storage.rename(&scratch, &place)?;
        } else {
            storage.remove_folder(&scratch)?;
        }
    }
    Ok(())
}

/// Steps and folders of the checkpoints under `folder`, newest first; scratch folders are not among them.
fn newest_first(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let listing = match std::fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", folder)(error)),
    };
    let mut found: Vec<(u64, PathBuf)> = listing
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let step = path.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()?;
            Some((step, path))
        })
        .collect();
    found.sort_by_key(|(step, _)| std::cmp::Reverse(*step));
    Ok(found)
}

/// Reads a checkpoint and checks every file against the manifest.
fn verify(storage: &dyn Storage, path: &Path) -> Result<Bundle> {
    let place = path.join("manifest.json");
    let manifest: Manifest = serde_json::from_slice(&storage.read(&place)?)
        .map_err(|e| Error::format(&place, format!("not a manifest: {e}")))?;
    if manifest.format != FORMAT {
        return Err(Error::format(
            &place,
            format!("has layout version {}, this program reads {FORMAT}; use a matching version", manifest.format),
        ));
    }
    let mut files = BTreeMap::new();
    for (name, entry) in &manifest.files {
        let file = path.join(name);
        if Path::new(name).components().count() != 1 || name.starts_with('.') {
            return Err(Error::format(&place, format!("names a file outside the checkpoint: {name}")));
        }
        let bytes = storage.read(&file)?;
        if bytes.len() as u64 != entry.size {
            return Err(Error::format(&file, format!("has {} bytes, the manifest says {}", bytes.len(), entry.size)));
        }
        if hash(&bytes) != entry.sha256 {
            return Err(Error::format(&file, "is damaged: its SHA-256 differs from the manifest's"));
        }
        files.insert(name.clone(), bytes);
    }
    Ok(Bundle { path: path.to_owned(), manifest, files, passed_over: Vec::new() })
}

/// The newest checkpoint under `folder` (or `folder` itself, when it is one) that passes verification.
pub fn load_latest(storage: &dyn Storage, folder: &Path) -> Result<Bundle> {
    if folder.join("manifest.json").is_file() {
        return verify(storage, folder);
    }
    let mut passed_over = Vec::new();
    for (_, path) in newest_first(folder)? {
        match verify(storage, &path) {
            Ok(bundle) => return Ok(Bundle { passed_over, ..bundle }),
            Err(error) => passed_over.push(error.to_string()),
        }
    }
    let problem = if passed_over.is_empty() { "there is none yet".into() } else { passed_over.join("; ") };
    Err(Error::Checkpoint { path: folder.to_owned(), problem })
}

/// Takes back everything from step `suspect` on: its checkpoints are removed, so that no resume finds them. Gives the
/// newest sound checkpoint that is left, or nothing.
pub fn take_back(storage: &dyn Storage, folder: &Path, suspect: u64) -> Result<Option<Bundle>> {
    for (step, path) in newest_first(folder)? {
        if step >= suspect {
            storage.remove_folder(&path)?;
        } else if let Ok(bundle) = verify(storage, &path) {
            return Ok(Some(bundle));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Disk;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Lets the n-th operation fail, or all from then on; a failing write leaves half a file.
    struct Faulty {
        calls: AtomicUsize,
        fails_at: usize,
        for_good: bool,
    }

    impl Faulty {
        fn check(&self, path: &Path) -> Result<()> {
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            if call == self.fails_at || (self.for_good && call > self.fails_at) {
                return Err(Error::io("write", path)(std::io::Error::from(std::io::ErrorKind::StorageFull)));
            }
            Ok(())
        }
    }

    impl Storage for Faulty {
        fn create_folder(&self, path: &Path) -> Result<()> {
            self.check(path)?;
            Disk.create_folder(path)
        }
        fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
            if let Err(error) = self.check(path) {
                Disk.write(path, &bytes[..bytes.len() / 2])?;
                return Err(error);
            }
            Disk.write(path, bytes)
        }
        fn rename(&self, from: &Path, to: &Path) -> Result<()> {
            self.check(to)?;
            Disk.rename(from, to)
        }
        fn remove_folder(&self, path: &Path) -> Result<()> {
            self.check(path)?;
            Disk.remove_folder(path)
        }
        fn read(&self, path: &Path) -> Result<Vec<u8>> {
            self.check(path)?;
            Disk.read(path)
        }
    }

    fn files(step: u64) -> BTreeMap<String, Vec<u8>> {
        let name = |n: &str| n.to_owned();
        BTreeMap::from([
            (name("student.safetensors"), vec![step as u8; 300]),
            (name("state.json"), format!("{step}").into_bytes()),
        ])
    }

    #[test]
    fn whichever_file_operation_fails_a_good_checkpoint_remains_and_the_message_names_a_path() {
        for fails_at in 0.. {
            let folder = tempfile::tempdir().unwrap();
            save(&Disk, folder.path(), "v", 1, &files(1), 2).unwrap();
            save(&Disk, folder.path(), "v", 2, &files(2), 2).unwrap();
            let faulty = Faulty { calls: AtomicUsize::new(0), fails_at, for_good: false };
            let result = save(&faulty, folder.path(), "v", 3, &files(3), 2);
            let loaded = load_latest(&Disk, folder.path()).unwrap();
            let step = loaded.file("student.safetensors").unwrap()[0];
            match result {
                Ok(_) => {
                    assert_eq!(step, 3);
                    assert!(fails_at >= 8, "every operation was tried");
                    return;
                }
                Err(error) => {
                    assert!(step == 2 || step == 3, "step {step} after a failure at operation {fails_at}");
                    assert!(error.to_string().contains(&*folder.path().to_string_lossy()), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_kill_while_the_only_checkpoint_is_written_anew_leaves_the_old_or_the_new_one() {
        let mut seen = [false; 2];
        for fails_at in 0..30 {
            let folder = tempfile::tempdir().unwrap();
            save(&Disk, folder.path(), "v", 3, &files(1), 1).unwrap();
            // Whatever comes after is not done, tidying up included, as when the process is gone.
            let dead = Faulty { calls: AtomicUsize::new(0), fails_at, for_good: true };
            let ended = save(&dead, folder.path(), "v", 3, &files(2), 1).is_ok();
            clear_scratch(&Disk, folder.path()).unwrap();
            let found = load_latest(&Disk, folder.path()).unwrap().file("student.safetensors").unwrap()[0];
            assert!(found == 2 || (found == 1 && !ended), "{found} after {fails_at} operations");
            seen[found as usize - 1] = true;
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        }
        assert_eq!(seen, [true; 2]);
    }

    #[test]
    fn a_flipped_bit_anywhere_makes_the_one_before_it_be_taken_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        for step in 1..=2 {
            save(&Disk, folder.path(), "v", step, &files(step), 5).unwrap();
        }
        for file in ["student.safetensors", "state.json", "manifest.json"] {
            let path = folder.path().join("step-000000002").join(file);
            let sound = std::fs::read(&path).unwrap();
            for at in (0..sound.len()).step_by(sound.len().div_ceil(40)) {
                let mut damaged = sound.clone();
                damaged[at] ^= 4;
                std::fs::write(&path, damaged).unwrap();
                let loaded = load_latest(&Disk, folder.path()).unwrap();
                // A manifest may be damaged in what it says of the library's version and still be true of its files.
                if loaded.passed_over.is_empty() {
                    assert_eq!((file, loaded.file("student.safetensors").unwrap()[0]), ("manifest.json", 2));
                } else {
                    assert_eq!(loaded.file("student.safetensors").unwrap()[0], 1);
                    assert!(loaded.passed_over[0].contains("step-000000002"));
                }
            }
            std::fs::write(&path, sound).unwrap();
        }
    }

    #[test]
    fn a_manifest_that_names_files_elsewhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let place = save(&Disk, folder.path(), "v", 1, &files(1), 2).unwrap();
        let manifest = std::fs::read_to_string(place.join("manifest.json")).unwrap();
        std::fs::write(place.join("manifest.json"), manifest.replace("state.json", "../../state.json")).unwrap();
        assert!(load_latest(&Disk, folder.path()).unwrap_err().to_string().contains("outside"));
    }

    #[test]
    fn only_the_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for step in [10, 20, 30, 40] {
            save(&Disk, folder.path(), "v", step, &files(step), 2).unwrap();
        }
        assert_eq!(newest_first(folder.path()).unwrap().len(), 2);
    }
}
