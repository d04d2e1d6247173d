//! Layers over each other, drawn before and after they moved.

use jepa_core::data::Split;
use jepa_core::error::Result;
use jepa_core::picture::Picture;
use jepa_core::random::Draw;

use super::super::{Flow, FramePair, Truth};
use super::motion::Affine;
use super::shape::Shape;
use super::texture::{Kind, Texture};

/// Fewest and most shapes.
const SHAPES: [usize; 2] = [2, 4];
/// Where a pixel is looked at to find edges within it.
const CORNERS: [[f32; 2]; 4] = [[-0.25, -0.25], [0.25, -0.25], [-0.25, 0.25], [0.25, 0.25]];

/// A surface with its outline, none for the ground, and its motion.
#[derive(Debug, Clone)]
struct Layer {
    texture: Texture,
    outline: Option<Outline>,
    forward: Affine,
    back: Affine,
}

/// A shape, and the map from the picture to its unit circle.
#[derive(Debug, Clone, Copy)]
struct Outline {
    shape: Shape,
    within: Affine,
}

/// A scene at two moments.
#[derive(Debug, Clone)]
pub struct Scene {
    size: [usize; 2],
    /// The ground first, what is in front last.
    layers: Vec<Layer>,
}

impl Layer {
    fn new(texture: Texture, outline: Option<Outline>, forward: Affine) -> Self {
        Self { texture, outline, forward, back: forward.inverse() }
    }

    fn covers(&self, point: [f32; 2]) -> bool {
        self.outline.is_none_or(|outline| outline.shape.contains(outline.within.apply(point)))
    }
}

impl Scene {
    /// A scene whose ground and whose shape in front are given; the rest is drawn. The ground moves by up to 3 pixels,
    /// most shapes by up to 5, every fifth by 4 to 9; all turn and grow a little.
    pub fn new(size: [usize; 2], ground: Kind, front: Shape, split: Split, draw: &mut impl Draw) -> Self {
        let [height, width] = size.map(|side| side as f32);
        let middle = [0.5 * width, 0.5 * height];
        let length = draw.between(0.0, 3.0);
        let shift = towards(length, draw);
        let forward = Affine::about(middle, draw.between(-0.03, 0.03), draw.between(0.98, 1.02), shift);
        let mut layers = vec![Layer::new(Texture::new(ground, split, draw), None, forward)];
        let count = SHAPES[0] + draw.below(SHAPES[1] - SHAPES[0] + 1);
        for at in 0..count {
            // What is in front is large and near the middle.
            let last = at + 1 == count;
            let shape = if last { front } else { Shape::ALL[draw.below(Shape::ALL.len())] };
            let (radius, spread) = if last { ([0.25, 0.36], 0.2) } else { ([0.14, 0.28], 0.4) };
            let radius = height * draw.between(radius[0], radius[1]);
            let centre =
                [middle[0] + width * draw.between(-spread, spread), middle[1] + height * draw.between(-spread, spread)];
            let turned = draw.between(0.0, std::f32::consts::TAU);
            let within = Affine::about([0.0; 2], turned, radius, centre).inverse();
            let length = if draw.uniform() < 0.2 { draw.between(4.0, 9.0) } else { draw.between(0.0, 5.0) };
            let shift = towards(length, draw);
            let forward = Affine::about(centre, draw.between(-0.15, 0.15), draw.between(0.92, 1.08), shift);
            let texture = Texture::new(Kind::ALL[draw.below(Kind::ALL.len())], split, draw);
            layers.push(Layer::new(texture, Some(Outline { shape, within }), forward));
        }
        Self { size, layers }
    }

    /// Both frames, the flow of the first, and what of it the second does not show.
    pub fn pair(&self) -> Result<FramePair> {
        let [rows, columns] = self.size;
        let places = || (0..rows).flat_map(|y| (0..columns).map(move |x| [x as f32, y as f32]));
        let (mut flow, mut occluded) = (Vec::with_capacity(rows * columns), Vec::with_capacity(rows * columns));
        for point in places() {
            let top = self.top(point, false);
            let at = self.layers[top].forward.apply(point);
            flow.push([at[0] - point[0], at[1] - point[1]]);
            let inside = (0.0..=(columns - 1) as f32).contains(&at[0]) && (0.0..=(rows - 1) as f32).contains(&at[1]);
            occluded.push(!inside || self.top(at, true) != top);
        }
        let picture = |moved: bool| {
            let pixels = places().flat_map(|point| self.colour(point, moved)).collect();
            Picture::new(columns, rows, 3, pixels)
        };
        let truth = Truth { flow: Flow::whole(columns, rows, flow)?, occluded: Some(occluded) };
        FramePair::new(picture(false)?, picture(true)?, Some(truth))
    }

    /// The point of a layer, as it lay before, that is seen at a point of the picture.
    fn before(&self, layer: usize, point: [f32; 2], moved: bool) -> [f32; 2] {
        if moved { self.layers[layer].back.apply(point) } else { point }
    }

    /// The layer that is seen at a point.
    fn top(&self, point: [f32; 2], moved: bool) -> usize {
        let covers = |layer: &usize| self.layers[*layer].covers(self.before(*layer, point, moved));
        (0..self.layers.len()).rev().find(covers).unwrap_or(0)
    }

    /// The colour of a pixel: at its middle, or the mean over four places where an edge runs through it.
    fn colour(&self, point: [f32; 2], moved: bool) -> [u8; 3] {
        let corners = CORNERS.map(|corner| [point[0] + corner[0], point[1] + corner[1]]);
        let tops = corners.map(|corner| self.top(corner, moved));
        let at = |layer: usize, point| self.layers[layer].texture.colour(self.before(layer, point, moved));
        let colour = if tops == [tops[0]; 4] {
            at(tops[0], point)
        } else {
            let colours: [[f32; 3]; 4] = std::array::from_fn(|i| at(tops[i], corners[i]));
            std::array::from_fn(|i| colours.iter().map(|colour| 0.25 * colour[i]).sum())
        };
        colour.map(|v| (255.0 * v + 0.5) as u8)
    }
}

/// A move of some length in any direction.
fn towards(length: f32, draw: &mut impl Draw) -> [f32; 2] {
    let angle = draw.between(0.0, std::f32::consts::TAU);
    [length * angle.cos(), length * angle.sin()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use jepa_core::data::Source as _;

    use super::super::{Label, Scenes};

    /// Mean difference, in grey levels, between the first frame and the second read where the flow leads, over pixels
    /// that `kept` keeps.
    fn mismatch(pair: &FramePair, scale: f32, kept: impl Fn(usize) -> bool) -> f32 {
        let truth = pair.truth().unwrap();
        let (first, second) = (pair.first(), pair.second());
        let (mut sum, mut count) = (0.0, 0);
        for at in (0..first.width * first.height).filter(|at| kept(*at)) {
            let [u, v] = truth.flow.values()[at].map(|v| scale * v);
            let x = ((at % first.width) as f32 + u).clamp(0.0, (first.width - 1) as f32);
            let y = ((at / first.width) as f32 + v).clamp(0.0, (first.height - 1) as f32);
            let (x0, y0) = ((x as usize).min(first.width - 2), (y as usize).min(first.height - 2));
            let (s, t) = (x - x0 as f32, y - y0 as f32);
            for c in 0..3 {
                let read = |x: usize, y: usize| f32::from(second.pixels[3 * (y * first.width + x) + c]);
                let upper = read(x0, y0) * (1.0 - s) + read(x0 + 1, y0) * s;
                let lower = read(x0, y0 + 1) * (1.0 - s) + read(x0 + 1, y0 + 1) * s;
                sum += (upper * (1.0 - t) + lower * t - f32::from(first.pixels[3 * at + c])).abs() / 3.0;
            }
            count += 1;
        }
        sum / count as f32
    }

    #[test]
    fn the_true_flow_finds_every_visible_pixel_again_and_no_flow_and_the_opposite_do_not() {
        let source = Scenes::open(Split::Train, Label::Texture);
        let (mut right, mut none, mut wrong, mut hidden) = (0.0, 0.0, 0.0, 0.0);
        for index in 0..12 {
            let pair = source.read(index).unwrap();
            let occluded = pair.truth().unwrap().occluded.clone().unwrap();
            right += mismatch(&pair, 1.0, |at| !occluded[at]) / 12.0;
            none += mismatch(&pair, 0.0, |at| !occluded[at]) / 12.0;
            wrong += mismatch(&pair, -1.0, |at| !occluded[at]) / 12.0;
            hidden += mismatch(&pair, 1.0, |at| occluded[at]) / 12.0;
        }
        assert!(right < 4.0, "{right} grey levels");
        assert!(none > 4.0 * right && wrong > none, "{right}, without flow {none}, against it {wrong}");
        assert!(hidden > 5.0 * right, "occluded pixels {hidden}");
    }

    #[test]
    fn a_scene_is_a_function_of_its_number_and_motions_have_a_long_tail() {
        let source = Scenes::open(Split::Train, Label::Shape);
        assert_eq!(source.read(5).unwrap(), source.read(5).unwrap());
        assert_ne!(source.read(5).unwrap(), source.read(6).unwrap());
        assert_ne!(source.read(5).unwrap(), Scenes::open(Split::Test, Label::Shape).read(5).unwrap());
        assert!(source.read(source.len()).is_err() && source.label(source.len()).is_none());
        let mut lengths: Vec<f32> = (0..40)
            .flat_map(|i| source.read(i).unwrap().truth().unwrap().flow.vectors().collect::<Vec<_>>())
            .map(|[u, v]| u.hypot(v))
            .collect();
        lengths.sort_by(f32::total_cmp);
        let at = |share: f32| lengths[(share * (lengths.len() - 1) as f32) as usize];
        assert!(at(0.5) < 4.0 && at(1.0) > 7.0 && at(1.0) < 16.0, "{} {}", at(0.5), at(1.0));
    }

    #[test]
    fn classes_take_turns_and_are_named() {
        for (label, count) in [(Label::Texture, 8), (Label::Shape, 6)] {
            let source = Scenes::open(Split::Test, label);
            assert_eq!(source.classes().len(), count);
            let mut met: Vec<u32> = (0..count).filter_map(|index| source.label(index)).collect();
            met.sort_unstable();
            assert_eq!(met, (0..count as u32).collect::<Vec<_>>());
            assert!(source.name(0).contains(&source.classes()[source.label(0).unwrap() as usize]));
        }
    }
}
