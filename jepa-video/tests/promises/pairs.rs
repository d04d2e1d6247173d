//! The folder formats of IntPhys, GRASP and InfLevel, on small folders made in their layouts.

use std::path::Path;

use image::{Rgb, RgbImage};
use jepa_video::surprise::pairs::{grasp, inflevel, intphys};
use jepa_video::surprise::{Movie, Protocol};

/// Frames of one colour each.
fn save_movie(folder: &Path, colours: &[u8]) {
    std::fs::create_dir_all(folder).unwrap();
    for (at, colour) in colours.iter().enumerate() {
        let path = folder.join(format!("scene_{at:03}.png"));
        RgbImage::from_pixel(8, 8, Rgb([*colour, 0, 0])).save(path).unwrap();
    }
}

fn save_gif(path: &Path, colours: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = image::codecs::gif::GifEncoder::new_with_speed(std::fs::File::create(path).unwrap(), 1);
    for colour in colours {
        let image = image::RgbaImage::from_pixel(8, 8, image::Rgba([*colour, 0, 0, 255]));
        encoder.encode_frame(image::Frame::new(image)).unwrap();
    }
}

fn every_frame() -> Protocol {
    Protocol { step: 1, ..Protocol::intphys() }
}

fn reds(movie: &Movie) -> Vec<u8> {
    let clip = movie.read(&every_frame()).unwrap();
    (0..clip.frames).map(|t| clip.frame(t).unwrap()[0]).collect()
}

fn save_quadruplet(scene: &Path, movies: [(&[u8], bool); 4]) {
    for (number, (colours, possible)) in movies.into_iter().enumerate() {
        let movie = scene.join((number + 1).to_string());
        save_movie(&movie.join("scene"), colours);
        let status = format!("{{\"header\": {{\"is_possible\": {possible}}}, \"frames\": []}}");
        std::fs::write(movie.join("status.json"), status).unwrap();
    }
}

#[test]
fn intphys_pairs_the_movies_that_leave_each_other_latest() {
    let dir = tempfile::tempdir().unwrap();
    // 1 leaves 2 at once, 4 at frame 1 and 3 at frame 3; what is possible is not in order.
    let movies: [(&[u8], bool); 4] =
        [(&[1, 1, 1, 1], false), (&[9, 1, 1, 1], true), (&[1, 1, 1, 5], true), (&[1, 7, 7, 7], false)];
    save_quadruplet(&dir.path().join("O1/01"), movies);
    save_quadruplet(&dir.path().join("O3/02"), movies);
    let pairs = intphys(dir.path()).unwrap();
    assert_eq!(
        pairs.iter().map(|p| p.concept.as_str()).collect::<Vec<_>>(),
        ["permanence", "permanence", "continuity", "continuity"]
    );
    assert_eq!((reds(&pairs[0].possible), reds(&pairs[0].impossible)), (vec![1, 1, 1, 5], vec![1, 1, 1, 1]));
    assert_eq!((reds(&pairs[1].possible), reds(&pairs[1].impossible)), (vec![9, 1, 1, 1], vec![1, 7, 7, 7]));
}

#[test]
fn intphys_scenes_that_are_incomplete_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let movies: [(&[u8], bool); 4] = [(&[1, 1], true), (&[1, 2], true), (&[3, 3], false), (&[3, 4], false)];
    let scene = dir.path().join("O2/07");
    save_quadruplet(&scene, movies);
    let error = intphys(dir.path()).unwrap_err().to_string();
    assert!(error.contains("07") && error.contains("both possible or both impossible"), "{error}");
    std::fs::write(scene.join("1/status.json"), "{}").unwrap();
    assert!(intphys(dir.path()).unwrap_err().to_string().contains("is_possible"));
    std::fs::remove_dir_all(scene.join("4")).unwrap();
    assert!(intphys(dir.path()).unwrap_err().to_string().contains("4"));
    assert!(intphys(&dir.path().join("O2")).unwrap_err().to_string().contains("holds no pairs"));
}

#[test]
fn grasp_pairs_the_videos_of_one_name() {
    let dir = tempfile::tempdir().unwrap();
    for (folder, first) in [("P_Gravity", 1), ("IP_Gravity", 101), ("P_Inertia2", 11), ("IP_Inertia2", 111)] {
        (0..2).for_each(|n| save_gif(&dir.path().join(folder).join(format!("{n}.gif")), &[first + n, 200]));
    }
    let pairs = grasp(dir.path()).unwrap();
    let found: Vec<_> =
        pairs.iter().map(|p| (p.concept.as_str(), reds(&p.possible)[0], reds(&p.impossible)[0])).collect();
    assert_eq!(found, [("Gravity", 1, 101), ("Gravity", 2, 102), ("Inertia2", 11, 111), ("Inertia2", 12, 112)]);
    std::fs::remove_file(dir.path().join("IP_Gravity/1.gif")).unwrap();
    assert!(grasp(dir.path()).unwrap_err().to_string().contains("no impossible partner"));
}

/// `gravity.csv` with one row: for each of two videos its name, the end of its second priming, and its label.
fn write_inflevel(root: &Path, videos: [(&str, usize, &str); 2]) {
    let columns = ["path", "start_priming_1", "end_priming_1", "start_priming_2", "end_priming_2", "label"];
    let header: Vec<String> =
        ["vid1", "vid2"].iter().flat_map(|video| columns.map(|column| format!("{video}_{column}"))).collect();
    let row = videos.map(|(name, end, label)| format!("gravity/{name}.gif,0,0,0,{end},{label}")).join(",");
    std::fs::write(root.join("gravity.csv"), format!("{}\n{row}\n", header.join(","))).unwrap();
}

#[test]
fn inflevel_reads_videos_from_the_end_of_their_priming_on() {
    let dir = tempfile::tempdir().unwrap();
    save_gif(&dir.path().join("gravity/a.gif"), &[1, 2, 3, 4, 5]);
    save_gif(&dir.path().join("gravity/b.gif"), &[11, 12, 13, 14, 15]);
    write_inflevel(dir.path(), [("a", 2, "impossible"), ("b", 2, "possible")]);
    let pairs = inflevel(dir.path(), false).unwrap();
    assert_eq!((pairs.len(), pairs[0].concept.as_str()), (1, "gravity"));
    assert_eq!((reds(&pairs[0].possible), reds(&pairs[0].impossible)), (vec![14, 15], vec![4, 5]));
    let whole = inflevel(dir.path(), true).unwrap();
    assert_eq!(reds(&whole[0].possible), [11, 12, 13, 14, 15]);
    write_inflevel(dir.path(), [("a", 1, "possible"), ("b", 2, "possible")]);
    assert!(inflevel(dir.path(), false).unwrap_err().to_string().contains("line 2"));
    // A list that starts behind the end: neither video of the pair is read, and the one that is too short is named.
    write_inflevel(dir.path(), [("a", 9, "possible"), ("b", 2, "impossible")]);
    let pair = inflevel(dir.path(), false).unwrap().remove(0);
    for movie in [&pair.possible, &pair.impossible] {
        let error = movie.read(&every_frame()).unwrap_err().to_string();
        assert!(error.contains("a.gif") && error.contains("5 frames") && error.contains("frame 10"), "{error}");
    }
}

#[test]
fn both_videos_of_an_inflevel_pair_end_together_and_the_longer_one_begins_later() {
    let dir = tempfile::tempdir().unwrap();
    save_gif(&dir.path().join("gravity/a.gif"), &[1, 2, 3, 4, 5, 6, 7, 8]);
    save_gif(&dir.path().join("gravity/b.gif"), &[11, 12, 13, 14, 15]);
    let read = |ends: [usize; 2], priming| {
        write_inflevel(dir.path(), [("a", ends[0], "possible"), ("b", ends[1], "impossible")]);
        let pair = inflevel(dir.path(), priming).unwrap().remove(0);
        (reds(&pair.possible), reds(&pair.impossible))
    };
    // Behind their primings a has six frames and b two: the first four of a's are left out.
    assert_eq!(read([1, 2], false), (vec![7, 8], vec![14, 15]));
    // The other way round: a has one, b four.
    assert_eq!(read([6, 0], false), (vec![8], vec![15]));
    // With their primings a has three more, wherever these end.
    assert_eq!(read([1, 2], true), (vec![4, 5, 6, 7, 8], vec![11, 12, 13, 14, 15]));
    // One frame in two, counted from where both begin.
    write_inflevel(dir.path(), [("a", 1, "possible"), ("b", 0, "impossible")]);
    let pair = inflevel(dir.path(), false).unwrap().remove(0);
    let clip = pair.possible.read(&Protocol { step: 2, ..every_frame() }).unwrap();
    assert_eq!((clip.frames, clip.frame(0).unwrap()[0], clip.frame(1).unwrap()[0]), (2, 5, 7));
}
