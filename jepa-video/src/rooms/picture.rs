//! An episode as a picture: the rooms with start, goal and path, and what the world model imagined at first.

use image::{Rgb, RgbImage};
use jepa_core::error::{Error, Result};
use jepa_core::plugin::Preview;

use super::episode::Attempt;
use super::layout::{Place, Rooms, SIDE};
use super::walk::Walk;

/// Pixels that a pixel of the rooms takes.
const SCALE: u32 = 6;
/// Imagined pictures under the rooms.
const SHOWN: usize = 6;

const GREEN: [u8; 3] = [40, 150, 60];
const RED: [u8; 3] = [200, 30, 30];
const BLUE: [u8; 3] = [30, 80, 180];
const ORANGE: [u8; 3] = [235, 140, 20];
const WALL: [u8; 3] = [90, 90, 90];

/// An attempt as a PNG. Start green, goal red, the path blue; `imagined` are the places whose pictures lie nearest to
/// the states of the first plan: orange, and six of them as pictures below.
pub(super) fn draw(attempt: &Attempt, imagined: &[Place]) -> Result<Vec<u8>> {
    let side = SIDE as u32;
    let mut canvas = RgbImage::from_pixel(side * SCALE, side * SCALE + side + 2, Rgb([255; 3]));
    let rooms = &attempt.task.rooms;
    walls(&mut canvas, rooms, SCALE);
    path(&mut canvas, &attempt.path, BLUE, SCALE);
    imagined.iter().for_each(|at| disc(&mut canvas, *at, 4, ORANGE, SCALE));
    disc(&mut canvas, attempt.task.start, 9, GREEN, SCALE);
    disc(&mut canvas, attempt.task.goal, 9, RED, SCALE);
    let picked = (0..SHOWN).filter_map(|i| imagined.get((i * imagined.len() + imagined.len() / 2) / SHOWN));
    for (i, at) in picked.enumerate() {
        let (left, top) = (i as u32 * side, side * SCALE + 2);
        for (pixel, shade) in frame(rooms, *at).into_iter().enumerate() {
            let (x, y) = (pixel as u32 % side, pixel as u32 / side);
            if x + 1 < side {
                canvas.put_pixel(left + x, top + y, Rgb(shade));
            }
        }
    }
    let mut png = std::io::Cursor::new(Vec::new());
    canvas.write_to(&mut png, image::ImageFormat::Png).map_err(|error| Error::Engine(error.to_string()))?;
    Ok(png.into_inner())
}

/// A walk as a picture: the first moment, with the way that follows.
pub fn preview(walk: &Walk) -> Preview {
    const SCALE: u32 = 3;
    let side = SIDE as u32 * SCALE;
    let mut canvas = RgbImage::from_pixel(side, side, Rgb([255; 3]));
    walls(&mut canvas, &walk.rooms, SCALE);
    path(&mut canvas, &walk.places, BLUE, SCALE);
    if let Some(at) = walk.places.first() {
        disc(&mut canvas, *at, 5, GREEN, SCALE);
    }
    Preview { width: side as usize, height: side as usize, rgb: canvas.into_raw(), grid: [1, 1] }
}

/// What is seen of an agent at a place, both pictures in one, in RGB.
pub(crate) fn frame(rooms: &Rooms, at: Place) -> Vec<[u8; 3]> {
    let shade = |(dot, wall): (u8, u8)| if wall > 0 { WALL } else { [255, 255 - dot / 2, 255 - dot] };
    Rooms::dot(at).into_iter().zip(rooms.walls()).map(shade).collect()
}

fn walls(canvas: &mut RgbImage, rooms: &Rooms, scale: u32) {
    for (pixel, _) in rooms.walls().into_iter().enumerate().filter(|(_, wall)| *wall > 0) {
        let (left, top) = ((pixel % SIDE) as u32 * scale, (pixel / SIDE) as u32 * scale);
        for (y, x) in (0..scale).flat_map(|y| (0..scale).map(move |x| (y, x))) {
            canvas.put_pixel(left + x, top + y, Rgb(WALL));
        }
    }
}

fn path(canvas: &mut RgbImage, places: &[Place], colour: [u8; 3], scale: u32) {
    for pair in places.windows(2) {
        let [from, to] = [pair[0], pair[1]];
        // A disc a pixel.
        let steps = ((to[0] - from[0]).hypot(to[1] - from[1]) * scale as f32).ceil().max(1.0) as usize;
        for i in 0..steps {
            let part = i as f32 / steps as f32;
            disc(canvas, [from[0] + (to[0] - from[0]) * part, from[1] + (to[1] - from[1]) * part], 1, colour, scale);
        }
    }
}

/// A disc around a place, `radius` in the canvas' pixels.
fn disc(canvas: &mut RgbImage, at: Place, radius: i32, colour: [u8; 3], scale: u32) {
    // A place is the middle of a pixel.
    let [x, y] = at.map(|v| ((v + 0.5) * scale as f32) as i32);
    for (dy, dx) in (-radius..=radius).flat_map(|dy| (-radius..=radius).map(move |dx| (dy, dx))) {
        if dx * dx + dy * dy > radius * radius {
            continue;
        }
        if let (Ok(x), Ok(y)) = (u32::try_from(x + dx), u32::try_from(y + dy))
            && let Some(pixel) = canvas.get_pixel_mut_checked(x, y)
        {
            *pixel = Rgb(colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::Task;

    #[test]
    fn the_picture_shows_start_goal_path_and_what_was_imagined() {
        let task = Task { number: 0, rooms: Rooms::FIXED, start: [15.0, 40.0], goal: [50.0, 20.0] };
        let attempt = Attempt { task, path: vec![[15.0, 40.0], [25.0, 30.0], [30.0, 18.0]], first_plan: Vec::new() };
        let png = draw(&attempt, &[[20.0, 35.0], [28.0, 20.0]]).unwrap();
        let picture = image::load_from_memory(&png).unwrap().into_rgb8();
        let count = |colour: [u8; 3]| picture.pixels().filter(|pixel| pixel.0 == colour).count();
        assert!(count(GREEN) > 100 && count(RED) > 200 && count(BLUE) > 200 && count(ORANGE) > 60);
        assert!(count(WALL) > 418 * 30);
        assert!(draw(&attempt, &[]).is_ok());
        if let Some(folder) = std::env::var_os("JEPA_KEEP") {
            std::fs::write(std::path::Path::new(&folder).join("rooms.png"), png).unwrap();
        }
    }
}
