//! Damaged files of every format: an error or a sequence, never a panic, a wait or much memory.

use std::path::Path;
use std::time::Duration;

use jepa_core::damage::{Counting, Limits};
use jepa_core::data::{DataSpec, Split};

use super::*;

#[global_allocator]
static COUNTING: Counting = Counting;

/// For files of a few kilobytes.
const LIMITS: Limits = Limits { mutations: 2000, memory: 32 << 20, time: Duration::from_secs(2), refused: 0.05 };

/// A data set in a folder, whose file `damaged` is the one that suffers.
struct Case {
    name: &'static str,
    /// The part of the specification before the folder, and the file after it.
    spec: (&'static str, &'static str),
    files: Vec<(&'static str, Vec<u8>)>,
    damaged: usize,
}

fn cases() -> Vec<Case> {
    let mut short = actions::recording(0).unwrap();
    short.frames.truncate(3);
    let recording = short.render().into_bytes();
    let table = (0..6).map(|row| format!("{row}.5,1e-2,-3;0,4,5\n").replace(';', ",")).collect::<String>();
    let frames = |count: usize| format!("{}\n", vec!["0.25"; 150].join(" ")).repeat(count).into_bytes();
    let pku = || {
        vec![
            ("Split/cross-subject.txt", b"Training videos:\n0002-L, 0003-M\nValidation videos:\n0004-L\n".to_vec()),
            ("label/0002-L.txt", b"3,0,4,1\n51,2,6,2\n".to_vec()),
            ("skeleton/0002-L.txt", frames(6)),
        ]
    };
    let folder =
        |name, file, bytes: Vec<u8>| Case { name, spec: ("folder:", ""), files: vec![(file, bytes)], damaged: 0 };
    let archive = |name, packed| Case {
        name,
        spec: ("mamp:", "a.npz"),
        files: vec![("a.npz", mamp::written(2, packed))],
        damaged: 0,
    };
    let part = |name, damaged| Case { name, spec: ("pku:", ""), files: pku(), damaged };
    let pck = |name, spec, kind| Case {
        name,
        spec: (spec, "a.csv"),
        files: vec![("a.csv", pck::written(kind, 1, 48).into_bytes())],
        damaged: 0,
    };
    let list = b"a\nb\nc\nS001C001P001R001A002\nS001C001P001R002A001\n".to_vec();
    vec![
        Case {
            name: "NTU recording",
            spec: ("ntu:", ""),
            files: vec![("S001C001P001R001A001.skeleton", recording.clone())],
            damaged: 0,
        },
        Case {
            name: "NTU list",
            spec: ("ntu:", ""),
            files: vec![("S001C001P001R001A001.skeleton", recording), ("missing.txt", list)],
            damaged: 1,
        },
        folder("CSV", "a.csv", table.into_bytes()),
        folder("NumPy", "a.npy", npy::written(&[4, 2, 3, 3], &[0.5; 72])),
        folder("BVH", "a.bvh", bvh::EXAMPLE.into()),
        folder("C3D floats", "a.c3d", c3d::written(false, true)),
        folder("C3D integers", "a.c3d", c3d::written(true, false)),
        archive("MAMP stored", false),
        archive("MAMP packed", true),
        part("PKU list", 0),
        part("PKU labels", 1),
        part("PKU skeletons", 2),
        pck("poses of bodies", "pck-body:", PckKind::Body),
        pck("poses of hands", "pck-hand:", PckKind::Hand),
    ]
}

/// Everything a run does with a data set; the number of values read.
fn read_all(spec: &DataSpec) -> Result<usize> {
    let source = open(spec, Split::Train)?;
    let mut total = 0;
    for index in 0..source.len().min(50) {
        assert!(source.label(index).is_none_or(|label| (label as usize) < source.classes().len()));
        assert!(!source.name(index).is_empty() && !source.describe().is_empty());
        let sequence = source.read(index)?;
        sequence.joints.check()?;
        total += sequence.values.len();
        assert_eq!(sequence.values.len(), sequence.frames * sequence.frame_len());
        assert!(sequence.values.iter().all(|value| value.is_finite()));
    }
    Ok(total)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    // A file that is cut to nothing and written again is flushed to the disk by some file systems; a new one is not.
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, bytes).unwrap();
}

#[test]
fn damaged_files_of_every_format_give_an_error_or_a_sequence_in_little_time_and_memory() {
    for case in cases() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in &case.files {
            write(dir.path(), name, bytes);
        }
        let text = format!("{}{}", case.spec.0, dir.path().join(case.spec.1).display());
        let spec = DataSpec::parse(&text, FORMATS);
        let (name, good) = &case.files[case.damaged];
        let toll = LIMITS.withstood(case.name, good, |bytes| {
            write(dir.path(), name, bytes);
            let blames = |text: String| text.contains(&dir.path().display().to_string());
            read_all(&spec).inspect_err(|error| assert!(blames(error.to_string()), "{}: {error}", case.name)).map(drop)
        });
        println!("{}: {:?}", case.name, toll.unwrap());
    }
}

#[test]
fn empty_files_and_other_encodings_are_refused_in_every_format() {
    for case in cases() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in &case.files {
            write(dir.path(), name, bytes);
        }
        let (name, good) = &case.files[case.damaged];
        let text = format!("{}{}", case.spec.0, dir.path().join(case.spec.1).display());
        let spec = DataSpec::parse(&text, FORMATS);
        let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(good.iter().flat_map(|byte| [*byte, 0])).collect();
        for bytes in [&[][..], &wide, &[0; 3000]] {
            write(dir.path(), name, bytes);
            let error = read_all(&spec).unwrap_err().to_string();
            assert!(error.contains(&dir.path().display().to_string()), "{}: {error}", case.name);
        }
    }
}
