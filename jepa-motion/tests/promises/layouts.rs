//! Layouts of data sets, read from files written in their formats.

use std::fs;
use std::path::Path;

use jepa_core::data::{DataSpec, Source, Split, part};
use jepa_core::picture::Picture;
use jepa_motion::data::formats::{flo, kitti, ppm};
use jepa_motion::data::{FORMATS, Flow, FramePair, open};

fn write(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A frame of one colour, which tells frames apart.
fn frame(value: u8) -> Picture {
    Picture::new(6, 4, 3, vec![value; 72]).unwrap()
}

/// The same as a grey PNG.
fn png(value: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = png::Encoder::new(&mut bytes, 6, 4).write_header().unwrap();
    writer.write_image_data(&[value; 24]).unwrap();
    writer.finish().unwrap();
    bytes
}

fn flow(u: f32) -> Flow {
    Flow::whole(6, 4, vec![[u, -u]; 24]).unwrap()
}

fn both(root: &Path, format: &str) -> [Box<dyn Source<Sample = FramePair>>; 2] {
    let text = if format.is_empty() { root.display().to_string() } else { format!("{format}:{}", root.display()) };
    [Split::Train, Split::Test].map(|split| open(&DataSpec::parse(&text, FORMATS), split).unwrap())
}

/// First values of both frames, and u of the flow.
fn seen(pair: &FramePair) -> (u8, u8, Option<f32>) {
    (pair.first().pixels[0], pair.second().pixels[0], pair.truth().map(|truth| truth.flow.values()[0][0]))
}

#[test]
fn flying_chairs_keep_to_their_list_and_are_held_out_without_one() {
    let dir = tempfile::tempdir().unwrap();
    for i in 1..=12u8 {
        write(dir.path(), &format!("data/{i:05}_img1.ppm"), &ppm::encode(&frame(i)));
        write(dir.path(), &format!("data/{i:05}_img2.ppm"), &ppm::encode(&frame(i + 100)));
        write(dir.path(), &format!("data/{i:05}_flow.flo"), &flo::encode(&flow(f32::from(i))));
    }
    let [train, test] = both(dir.path(), "");
    assert!(train.describe().starts_with("FlyingChairs") && train.describe().contains("with true flow"));
    assert_eq!((train.len(), test.len()), (11, 1));
    assert_eq!(seen(&train.read(0).unwrap()), (1, 101, Some(1.0)));
    write(dir.path(), "FlyingChairs_train_val.txt", b"1\n2\n1\n1\n1\n1\n1\n1\n1\n1\n1\n2\n");
    let [train, test] = both(dir.path(), "flying-chairs");
    assert_eq!((train.len(), test.len(), seen(&test.read(1).unwrap()).0), (10, 2, 12));
    assert!(test.read(2).is_err());
    for (list, expected) in [("1\n2\n3\n", "line 3"), ("1\n2\n", "lists 2 pairs")] {
        write(dir.path(), "FlyingChairs_train_val.txt", list.as_bytes());
        let spec = DataSpec::parse(&dir.path().display().to_string(), FORMATS);
        let error = open(&spec, Split::Train).err().unwrap().to_string();
        assert!(error.contains("FlyingChairs_train_val.txt") && error.contains(expected), "{error}");
    }
}

#[test]
fn sintel_has_two_passes_whole_scenes_held_out_and_occlusion_in_white() {
    let dir = tempfile::tempdir().unwrap();
    for scene in 0..12u8 {
        for (pass, add) in [("clean", 0), ("final", 100)] {
            for i in 1..=3u8 {
                let name = format!("training/{pass}/scene{scene:02}/frame_{i:04}.png");
                write(dir.path(), &name, &png(scene * 3 + i + add));
            }
        }
        for i in 1..=2u8 {
            let place = format!("scene{scene:02}/frame_{i:04}");
            write(dir.path(), &format!("training/flow/{place}.flo"), &flo::encode(&flow(f32::from(i))));
            write(dir.path(), &format!("training/occlusions/{place}.png"), &png(255));
        }
    }
    let [train, test] = both(dir.path(), "");
    assert_eq!((train.len(), test.len()), (2 * 2 * 11, 2 * 2));
    let pair = train.read(1).unwrap();
    assert_eq!(seen(&pair), (2, 3, Some(2.0)));
    assert_eq!(pair.truth().unwrap().occluded, Some(vec![true; 24]));
    let [clean, _] = both(dir.path(), "sintel-clean");
    let [last, _] = both(dir.path(), "sintel-final");
    assert_eq!((clean.len(), last.len(), seen(&last.read(0).unwrap()).0), (22, 22, 101));
    assert!(clean.describe().contains("clean") && !clean.describe().contains("final"));
    assert!(test.describe().contains(part::RULE), "{}", test.describe());
}

#[test]
fn what_kittis_flow_of_both_frames_leaves_out_is_occluded() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..10u8 {
        write(dir.path(), &format!("training/image_2/{i:06}_10.png"), &png(i));
        write(dir.path(), &format!("training/image_2/{i:06}_11.png"), &png(i + 50));
        let mut known = vec![true; 24];
        known[0] = false;
        let all = Flow::new(6, 4, vec![[1.5, 0.25]; 24], known.clone()).unwrap();
        known[1] = false;
        let seen = Flow::new(6, 4, vec![[1.5, 0.25]; 24], known).unwrap();
        write(dir.path(), &format!("training/flow_occ/{i:06}_10.png"), &kitti::encode(&all).unwrap());
        write(dir.path(), &format!("training/flow_noc/{i:06}_10.png"), &kitti::encode(&seen).unwrap());
    }
    let [train, test] = both(dir.path(), "");
    assert!(train.describe().starts_with("KITTI 2015"));
    assert_eq!((train.len(), test.len()), (9, 1));
    let pair = train.read(0).unwrap();
    let truth = pair.truth().unwrap();
    assert_eq!((seen(&pair).1, truth.flow.values()[5]), (50, [1.5, 0.25]));
    assert_eq!(truth.flow.known()[..2], [false, true]);
    let occluded: Vec<usize> = (0..24).filter(|at| truth.occluded.as_ref().unwrap()[*at]).collect();
    assert_eq!(occluded, [1]);
}

#[test]
fn pairs_sequences_and_stills_are_told_apart_by_what_a_folder_holds() {
    let pairs = tempfile::tempdir().unwrap();
    for i in 0..10u8 {
        write(pairs.path(), &format!("a/{i}_1.ppm"), &ppm::encode(&frame(i)));
        write(pairs.path(), &format!("a/{i}_2.ppm"), &ppm::encode(&frame(i + 50)));
    }
    write(pairs.path(), "a/3_flow.flo", &flo::encode(&flow(7.0)));
    let [train, _] = both(pairs.path(), "");
    assert!(train.describe().contains("1 of them with true flow"), "{}", train.describe());
    assert_eq!(seen(&train.read(3).unwrap()), (3, 53, Some(7.0)));
    assert_eq!(train.label(0), None);

    let frames = tempfile::tempdir().unwrap();
    for i in 1..=21u8 {
        write(frames.path(), &format!("frame{i}.ppm"), &ppm::encode(&frame(i)));
    }
    let [train, test] = both(frames.path(), "");
    assert_eq!((train.len(), test.len()), (18, 2));
    // frame10 comes after frame9, and frame2 before it.
    assert_eq!((seen(&train.read(1).unwrap()), seen(&train.read(8).unwrap())), ((2, 3, None), (9, 10, None)));
    assert_eq!(seen(&test.read(1).unwrap()), (20, 21, None));

    let stills = tempfile::tempdir().unwrap();
    for (class, value) in [("cats", 1u8), ("dogs", 100)] {
        for i in 0..5 {
            write(stills.path(), &format!("{class}/{i}.png"), &png(value + i));
        }
    }
    let [train, test] = both(stills.path(), "images");
    assert_eq!((train.len(), test.len(), train.classes()), (9, 1, &["cats".to_owned(), "dogs".to_owned()][..]));
    assert_eq!((seen(&train.read(8).unwrap()), train.label(8)), ((104, 104, Some(0.0)), Some(1)));
}

#[test]
fn frames_that_are_numbered_on_are_a_sequence_however_they_are_named() {
    // Without zeros before the number, with one frame missing, and named as FlyingChairs names its frames.
    for (name, missing) in [("walk/frame_", 0), ("a/b/0_", 3), ("run_img", 0)] {
        let dir = tempfile::tempdir().unwrap();
        for i in (1..=21u8).filter(|i| *i != missing) {
            write(dir.path(), &format!("{name}{i}.ppm"), &ppm::encode(&frame(i)));
        }
        let [train, test] = both(dir.path(), "");
        let frames = if missing == 0 { 21 } else { 20 };
        assert_eq!(train.len() + test.len(), frames - 1, "{name}: {}", train.describe());
        assert_eq!(seen(&test.read(test.len() - 1).unwrap()), (20, 21, None), "{name}");
        // Asked for by name they are one pair, and the rest is not passed over in silence.
        let spec = DataSpec::parse(&format!("pairs:{}", dir.path().display()), FORMATS);
        let said = open(&spec, Split::Train).unwrap().describe();
        assert!(said.contains(&format!("{} frames of no pair left out", frames - 2)), "{said}");
    }
}

#[test]
fn a_stray_third_frame_does_not_make_pairs_a_sequence() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..10u8 {
        write(dir.path(), &format!("shot_{i}_1.png"), &png(i));
        write(dir.path(), &format!("shot_{i}_2.png"), &png(i + 50));
        write(dir.path(), &format!("shot_{i}_flow.png"), &kitti::encode(&flow(1.0)).unwrap());
    }
    let [train, test] = both(dir.path(), "");
    assert_eq!((train.len(), test.len()), (9, 1));
    assert!(train.describe().starts_with("folder of pairs") && !train.describe().contains("left out"));
    write(dir.path(), "shot_7_3.png", &png(9));
    let [train, _] = both(dir.path(), "");
    assert_eq!((train.len(), seen(&train.read(4).unwrap())), (9, (4, 54, Some(1.0))));
    assert!(train.describe().contains("1 frames of no pair left out"), "{}", train.describe());
}

#[test]
fn frames_and_flows_of_different_sizes_are_errors_of_their_pair_alone() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..10u8 {
        write(dir.path(), &format!("{i}_1.ppm"), &ppm::encode(&frame(i)));
        write(dir.path(), &format!("{i}_2.ppm"), &ppm::encode(&frame(i)));
    }
    write(dir.path(), "0_2.ppm", &ppm::encode(&Picture::new(5, 4, 3, vec![0; 60]).unwrap()));
    write(dir.path(), "1_flow.flo", &flo::encode(&Flow::whole(4, 6, vec![[0.0; 2]; 24]).unwrap()));
    write(dir.path(), "2_flow.flo", b"PIEH");
    let [train, _] = both(dir.path(), "pairs");
    for (index, expected) in [(0, "one size"), (1, "4x6"), (2, "2_flow.flo")] {
        let error = train.read(index).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(train.read(3).is_ok());
}

#[test]
fn every_unusable_specification_says_what_is_wrong_with_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    write(dir.path(), "file.flo", b"PIEH");
    write(dir.path(), "one/a.png", &png(1));
    let at = |name: &str| dir.path().join(name).display().to_string();
    for (text, expected) in [
        (at("missing"), "cannot be read"),
        (at("empty"), "looked for training/clean"),
        (at("one"), "looked for training/clean"),
        (at("file.flo"), "not a folder"),
        (format!("sintel:{}", at("empty")), "training/final"),
        (format!("kitti:{}", at("empty")), "image_2"),
        (format!("flying-chairs:{}", at("empty")), "_img1.ppm"),
        (format!("pairs:{}", at("empty")), "NAME_1"),
        (format!("frames:{}", at("empty")), "two frames"),
        (format!("images:{}", at("empty")), "no pictures"),
        ("sintel:".to_owned(), "sintel:PATH"),
        (String::new(), "builtin"),
    ] {
        let error = match open(&DataSpec::parse(&text, FORMATS), Split::Train) {
            Ok(source) => panic!("{text} opened as {}", source.describe()),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(expected), "{text}: {error}");
    }
    let [train, test] =
        ["builtin", "builtin-shapes"].map(|text| open(&DataSpec::parse(text, FORMATS), Split::Train).unwrap());
    assert!(train.describe().contains("synthetic") && test.describe().contains("shape in front"));
}
