//! Clothes cut out of the built-in images, on synthetic textures: what is in the picture and what its pixels are like part
//! ways. A probe on pixels has a hard time there; features that know clothes from backgrounds do not.

use jepa_core::data::{Column, Label, Source, Split, no_sample};
use jepa_core::error::{Error, Result};
use jepa_core::random::{Draw as _, Purpose, Stream};

use super::texture::{Ground, Texture};
use super::{Builtin, Picture};

/// Version of the generator: the same version makes the same pictures.
const VERSION: u32 = 1;
/// Pixels along a side.
const SIDE: usize = 40;

/// Wavelengths of the textures in pixels. Those of testing lie between those of training.
const TRAIN: &[[f32; 2]] = &[[3.5, 5.0], [7.0, 10.0]];
const TEST: &[[f32; 2]] = &[[5.0, 7.0]];
/// Grey from which an edge hides what is behind it.
const OPAQUE: f32 = 96.0;

/// Every built-in image of one part on a texture of its own.
#[derive(Debug)]
pub struct Textured {
    images: Builtin,
    split: Split,
    columns: Vec<Column>,
}

/// Where an image lies on which texture.
#[derive(Debug, Clone, PartialEq)]
struct Setting {
    ground: Ground,
    /// Columns and rows before the image.
    offset: [usize; 2],
}

impl Textured {
    /// One part: 10,000 pictures for training, 2,000 for testing, which share neither image nor texture.
    pub fn open(split: Split) -> Result<Self> {
        let textures = Texture::ALL.map(|texture| texture.name().to_owned()).to_vec();
        let columns = vec![
            Column::classes("texture", textures),
            Column::numbers("wavelength", 1, "pixels"),
            Column::numbers("x", 1, "pixels of 40"),
            Column::numbers("y", 1, "pixels of 40"),
        ];
        Ok(Self { images: Builtin::open(split)?, split, columns })
    }

    fn setting(&self, index: usize, margin: usize) -> Setting {
        let (part, wavelengths) = match self.split {
            Split::Train => (10, TRAIN),
            Split::Test => (11, TEST),
        };
        let mut draw = Stream::new(u64::from(VERSION), Purpose::Synthesis, part, index as u64);
        let ground = Ground::draw(&mut draw, wavelengths);
        Setting { ground, offset: [(); 2].map(|()| draw.below(margin + 1)) }
    }
}

/// How much of every pixel belongs to what is shown, 0 to 1: all but the black that reaches the edge of the picture. Where
/// that begins, dark pixels are let through.
fn cover(picture: &Picture) -> Vec<f32> {
    let (width, height) = (picture.width, picture.height);
    let mut outside = vec![false; width * height];
    let is_edge = |at: &usize| [0, width - 1].contains(&(at % width)) || [0, height - 1].contains(&(at / width));
    let mut open: Vec<usize> = (0..width * height).filter(is_edge).collect();
    let beside = |at: usize| {
        let (x, y) = (at % width, at / width);
        let sides = [(x > 0).then(|| at - 1), (x + 1 < width).then_some(at + 1)];
        let ends = [(y > 0).then(|| at - width), (y + 1 < height).then_some(at + width)];
        sides.into_iter().chain(ends).flatten()
    };
    while let Some(at) = open.pop() {
        if picture.pixels[at] == 0 && !outside[at] {
            outside[at] = true;
            open.extend(beside(at));
        }
    }
    let of = |at: usize| match outside[at] {
        true => 0.0,
        false if beside(at).any(|next| outside[next]) => (f32::from(picture.pixels[at]) / OPAQUE).min(1.0),
        false => 1.0,
    };
    (0..width * height).map(of).collect()
}

impl Source for Textured {
    type Sample = Picture;

    fn len(&self) -> usize {
        self.images.len()
    }

    fn read(&self, index: usize) -> Result<Picture> {
        if index >= self.len() {
            return Err(Error::data("builtin-textured", no_sample(index, self.len())));
        }
        let image = self.images.read(index)?;
        let Setting { ground, offset: [left, top] } = self.setting(index, SIDE.saturating_sub(image.width));
        let cover = cover(&image);
        let shade = |at: usize| {
            let (x, y) = (at % SIDE, at / SIDE);
            let behind = ground.shade(x as f32, y as f32);
            let inside = (left..left + image.width).contains(&x) && (top..top + image.height).contains(&y);
            if !inside {
                return behind.round() as u8;
            }
            let at = (y - top) * image.width + x - left;
            (behind + (f32::from(image.pixels[at]) - behind) * cover[at]).round() as u8
        };
        Picture::new(SIDE, SIDE, 1, (0..SIDE * SIDE).map(shade).collect())
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.images.label(index)
    }

    fn classes(&self) -> &[String] {
        self.images.classes()
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn value(&self, index: usize, column: usize) -> Option<Label> {
        if index >= self.len() {
            return None;
        }
        let image = 28;
        let Setting { ground, offset } = self.setting(index, SIDE - image);
        let middle = |at: usize| Label::Numbers(vec![(offset[at] + image / 2) as f32]);
        match column {
            0 => Some(Label::Class(ground.texture as u32)),
            1 => Some(Label::Numbers(vec![ground.wavelength])),
            2 => Some(middle(0)),
            3 => Some(middle(1)),
            _ => None,
        }
    }

    fn name(&self, index: usize) -> String {
        let texture = self.setting(index, 0).ground.texture.name();
        format!("{} on synthetic {texture}", self.images.name(index))
    }

    fn describe(&self) -> String {
        let part = if self.split == Split::Train { "training" } else { "test" };
        format!(
            "built-in clothes on synthetic textures (version {VERSION}): {} {part} images of Fashion-MNIST (Zalando, MIT), \
             cut out, {SIDE}x{SIDE} grey",
            self.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clothes_are_those_of_the_built_in_images_and_the_rest_is_texture() {
        let (source, images) = (Textured::open(Split::Train).unwrap(), Builtin::open(Split::Train).unwrap());
        assert_eq!((source.len(), source.classes()), (images.len(), images.classes()));
        for index in [0, 17, 4242] {
            let (picture, image) = (source.read(index).unwrap(), images.read(index).unwrap());
            let Setting { ground, offset: [left, top] } = source.setting(index, SIDE - image.width);
            let cover = cover(&image);
            let (mut clothes, mut texture) = (0, 0);
            for at in 0..SIDE * SIDE {
                let (x, y) = (at % SIDE, at / SIDE);
                let place = (x.wrapping_sub(left), y.wrapping_sub(top));
                let inside = place.0 < image.width && place.1 < image.height;
                let of_it = if inside { place.1 * image.width + place.0 } else { 0 };
                match if inside { cover[of_it] } else { 0.0 } {
                    0.0 => {
                        assert_eq!(picture.pixels[at], ground.shade(x as f32, y as f32).round() as u8);
                        texture += 1;
                    }
                    1.0 => {
                        assert_eq!(picture.pixels[at], image.pixels[of_it]);
                        clothes += 1;
                    }
                    _ => {}
                }
            }
            assert!(clothes > 60 && texture > 400, "{clothes} {texture}");
            assert_eq!(source.label(index), images.label(index));
            let Some(Label::Numbers(x)) = source.value(index, 2) else { panic!("a number") };
            assert_eq!(x, [(left + 14) as f32]);
        }
        assert!(source.describe().contains("synthetic") && source.name(3).contains("synthetic"));
        assert!(source.read(10_000).is_err() && source.value(10_000, 0).is_none());
    }

    #[test]
    fn a_hole_inside_belongs_to_what_is_shown_and_black_that_reaches_the_edge_does_not() {
        let mut pixels = vec![0; 49];
        for at in [8, 9, 10, 11, 12, 15, 19, 22, 26, 29, 33, 36, 37, 38, 39, 40] {
            pixels[at] = 200;
        }
        let cover = cover(&Picture::new(7, 7, 1, pixels).unwrap());
        assert_eq!((cover[24], cover[16], cover[8], cover[0], cover[7]), (1.0, 1.0, 1.0, 0.0, 0.0));
    }

    #[test]
    fn the_parts_share_no_wavelength_and_every_texture_is_in_both() {
        for (split, inside) in [(Split::Train, false), (Split::Test, true)] {
            let source = Textured::open(split).unwrap();
            let mut met = [0; 6];
            for index in 0..600 {
                let Setting { ground, .. } = source.setting(index, 12);
                met[ground.texture as usize] += 1;
                assert_eq!((5.0..7.0).contains(&ground.wavelength), inside, "{}", ground.wavelength);
            }
            assert!(met.iter().all(|count| *count > 60), "{met:?}");
        }
    }

    #[test]
    fn the_pictures_of_a_version_never_change() {
        let sum = [Split::Train, Split::Test].into_iter().fold(0xcbf2_9ce4_8422_2325u64, |sum, split| {
            let source = Textured::open(split).unwrap();
            let pixels = (0..50).flat_map(|index| source.read(index).unwrap().pixels);
            pixels.fold(sum, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        });
        assert_eq!((VERSION, sum), (1, 17_568_162_574_725_916_289));
    }
}
