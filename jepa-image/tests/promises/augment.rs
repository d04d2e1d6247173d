//! Disturbed colours, greyscale, solarising and blur beside torchvision on byte tensors.

use crate::fixtures::Fixture;
use jepa_image::augment::{blurred, brighter, contrasted, greyscale, hue_shifted, saturated, solarised};
use jepa_image::data::Picture;
use serde_json::Value;

fn picture(fixture: &Fixture, name: &str) -> Picture {
    let &[height, width, channels] = fixture.shape(name) else { panic!("{name} is no picture") };
    Picture::new(width, height, channels, fixture.bytes(name)).unwrap()
}

/// The largest difference in levels, and the share of values that differ.
fn levels(found: &Picture, expected: &Picture) -> (u8, f64) {
    assert_eq!((found.width, found.height, found.channels), (expected.width, expected.height, expected.channels));
    let differences: Vec<u8> = found.pixels.iter().zip(&expected.pixels).map(|(a, b)| a.abs_diff(*b)).collect();
    let share = differences.iter().filter(|d| **d > 0).count() as f64 / differences.len() as f64;
    (differences.into_iter().max().unwrap(), share)
}

fn part(picture: Picture, part: &Value, nudge: f32) -> Picture {
    let number = |at: usize| part[at].as_f64().unwrap() as f32 + nudge;
    match part[1].as_str().unwrap() {
        "brightness" => brighter(picture, number(2)),
        "contrast" => contrasted(picture, number(2)),
        "saturation" => saturated(picture, number(2)),
        "hue" => hue_shifted(picture, number(2)),
        "grey" => greyscale(picture),
        "solarise" => solarised(picture, (number(2) + 99.0 * nudge) as u8),
        "blur" => blurred(picture, part[2].as_u64().unwrap() as usize, number(3)),
        other => panic!("{other}"),
    }
}

#[test]
fn every_part_is_torchvisions_bit_for_bit_or_a_level_off_where_sums_are_rounded() {
    let fixture = Fixture::open("views.safetensors");
    let parts = fixture.meta("parts");
    let mut compared = 0;
    for about in parts.as_array().unwrap() {
        let name = about[0].as_str().unwrap();
        for (image, expected) in [("", name.to_owned()), ("grey_", format!("grey_{name}"))] {
            if !fixture.has(&expected) {
                continue;
            }
            let mut original = picture(&fixture, "image");
            if image == "grey_" {
                let first = original.pixels.iter().step_by(3).copied().collect();
                original = Picture::new(original.width, original.height, 1, first).unwrap();
            }
            let (worst, share) = levels(&part(original, about, 0.0), &picture(&fixture, &expected));
            println!("{expected}: {worst} levels, {:.2} % of the values", 100.0 * share);
            assert!(worst <= 1 && share < 0.01, "{expected}: {worst} levels in {share} of the values");
            compared += 1;
        }
    }
    assert_eq!(compared, 23);
}

#[test]
fn another_factor_is_another_picture() {
    let fixture = Fixture::open("views.safetensors");
    for about in fixture.meta("parts").as_array().unwrap().iter().filter(|about| about[1] != "grey") {
        let name = about[0].as_str().unwrap();
        let (_, share) = levels(&part(picture(&fixture, "image"), about, 0.1), &picture(&fixture, name));
        assert!(share > 0.02, "{name}: only {share} of the values differ");
    }
}
