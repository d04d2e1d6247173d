//! Stories that pairs are told from: a stage, two fates of what is on it, and the frame in which one becomes the other.

use jepa_core::random::{Draw as _, Purpose, Stream};

use super::concept::{Concept, Pair};
use super::world::{Body, RESTITUTION, Shape, Slab, World};
use super::{FRAMES, SIZE, VERSION};

/// Bright colours, told apart from each other and from what stands around.
const COLOURS: [[u8; 3]; 6] =
    [[225, 40, 40], [40, 190, 60], [60, 90, 235], [240, 210, 40], [210, 70, 220], [60, 210, 220]];
/// Colours of background and floor. All rooms are alike: what there is to know is what happens in them.
const ROOM: [[u8; 3]; 2] = [[190, 200, 215], [110, 95, 80]];
/// Colour of screens.
const SCREEN: [u8; 3] = [95, 130, 115];
/// Colour of walls and shelves.
const SOLID: [u8; 3] = [55, 45, 60];
/// Row of the floor.
const FLOOR: f32 = 55.0;
/// No picture differs before this frame: whoever has seen the first quarter of a scene expects the same of both ends.
pub(super) const FIRST: usize = FRAMES / 4 + 1;
/// By this frame the pictures differ.
pub(super) const LAST: usize = FRAMES - 10;
/// Room for a story to try other numbers until its event takes place on the stage.
pub(super) const TRIES: u64 = 64;

/// When one fate becomes the other.
#[derive(Debug, Clone, Copy)]
enum When {
    /// In this frame.
    At(usize),
    /// In the first frame in which they differ.
    Apart,
    /// In the first frame in which a screen hides the body.
    Hidden,
    /// The same, and back again when the next screen hides it.
    Between,
}

/// What a body does that no fate of it does, from a frame on.
#[derive(Debug, Clone, Copy)]
enum Miracle {
    /// It stands still in the air.
    Hover,
    /// It leaves the ground with this speed, never to fall.
    Rise(f32),
}

struct Sketch {
    /// Both fates from the first frame on.
    worlds: [World; 2],
    when: When,
    miracle: Option<Miracle>,
}

/// A story that was played.
pub(super) struct Story {
    concept: Concept,
    own: Vec<World>,
    other: Vec<World>,
    /// The frames in which the impossible end follows the other fate.
    swapped: std::ops::Range<usize>,
}

impl Story {
    /// Story `number` of a part; with `turned` its fates are exchanged.
    pub(super) fn tell(concept: Concept, part: u64, number: u64, turned: bool) -> Self {
        // Every story that was ever drawn took place within a few tries; a test holds that.
        let attempt = (0..TRIES).find_map(|attempt| Self::attempt(concept, part, number, turned, attempt));
        attempt.unwrap_or_else(|| {
            let mut draw = Stream::new(0, Purpose::Synthesis, 0, 0);
            let [own, other] = Sketch::draw(concept, turned, &mut draw).worlds.map(played);
            Self { concept, own, other, swapped: FRAMES / 2..FRAMES }
        })
    }

    /// One try, when its event takes place on the stage and is seen in time.
    pub(super) fn attempt(concept: Concept, part: u64, number: u64, turned: bool, attempt: u64) -> Option<Self> {
        let key = ((part * 8 + concept as u64) << 40) | number;
        let mut draw = Stream::new(u64::from(VERSION), Purpose::Synthesis, 16 + attempt, key);
        let Sketch { worlds, when, miracle } = Sketch::draw(concept, turned, &mut draw);
        let [a, b] = worlds.map(played);
        let swapped = when.frames(&a, &b)?;
        let b = miracle.map_or(b, |miracle| miracle.happens(&a, swapped.start));
        let lands = [&a, &b].into_iter().all(|worlds| worlds.get(swapped.start).is_some_and(on_stage));
        let seen = swapped.clone().find(|frame| !alike(&a[*frame], &b[*frame]));
        if !lands || !seen.is_some_and(|seen| (FIRST..LAST).contains(&seen)) {
            return None;
        }
        // The fates of a miracle are not exchanged: only one of them is possible.
        let [own, other] = if turned && miracle.is_none() { [b, a] } else { [a, b] };
        Some(Self { concept, own, other, swapped })
    }

    /// Both ends.
    pub(super) fn pair(self) -> Pair {
        let mut impossible = self.own.clone();
        for (world, other) in impossible.iter_mut().zip(self.other).take(self.swapped.end).skip(self.swapped.start) {
            world.bodies = other.bodies;
        }
        Pair { concept: self.concept, possible: self.own, impossible, event: self.swapped.start }
    }

    /// The possible end.
    pub(super) fn possible(self) -> Vec<World> {
        self.own
    }
}

impl When {
    /// The frames of the other fate.
    fn frames(self, a: &[World], b: &[World]) -> Option<std::ops::Range<usize>> {
        let hidden = |screen: usize| {
            a.iter().position(|world| {
                let body = world.bodies.first();
                body.zip(world.screens.get(screen)).is_some_and(|(body, screen)| body.is_behind(screen))
            })
        };
        match self {
            Self::At(frame) => Some(frame..FRAMES),
            Self::Apart => Some(a.iter().zip(b).position(|(a, b)| a.bodies != b.bodies)?..FRAMES),
            Self::Hidden => Some(hidden(0)?..FRAMES),
            Self::Between => Some(hidden(0)?..hidden(1)?),
        }
    }
}

impl Miracle {
    fn happens(self, possible: &[World], frame: usize) -> Vec<World> {
        let mut worlds = possible.to_vec();
        let Some(mut world) = possible.get(frame).cloned() else { return worlds };
        if let Some(body) = world.bodies.first_mut() {
            body.heavy = false;
            body.velocity = match self {
                Self::Hover => [0.0; 2],
                Self::Rise(speed) => [0.0, -speed],
            };
        }
        worlds.splice(frame.., played(world).into_iter().take(FRAMES - frame));
        worlds
    }
}

impl Sketch {
    fn draw(concept: Concept, turned: bool, draw: &mut Stream) -> Self {
        let mut world =
            World { bodies: Vec::new(), solids: Vec::new(), screens: Vec::new(), floor: FLOOR, colours: ROOM };
        let [colour, other] = {
            let order = draw.permutation(COLOURS.len());
            [COLOURS[order[0] as usize], COLOURS[order[1] as usize]]
        };
        let shape = if draw.below(2) == 0 { Shape::Ball } else { Shape::Box };
        let radius = draw.between(5.0, 7.0);
        let mut body = Body {
            shape,
            colour,
            radius,
            at: [draw.between(8.0, 11.0), FLOOR - radius],
            velocity: [draw.between(0.9, 1.3), 0.0],
            restitution: RESTITUTION,
            heavy: true,
            solid: true,
        };
        let mirrored = draw.below(2) == 0;
        // Hidden events, and one in the open: half of the bodies hop along, half slide.
        if !matches!(concept, Concept::Gravity | Concept::Solidity | Concept::Inertia) && draw.below(2) == 0 {
            body.at[1] -= draw.between(4.0, 16.0);
        }
        // Whole pixels, and deeper than the floor: a screen whose edge lets something through hides nothing.
        let tall = |left: f32, width: f32| {
            let left = left.round();
            Slab { edges: [left, 14.0, left + width.ceil(), (FLOOR + 1.0).ceil()], colour: SCREEN }
        };
        let with = |world: &World, body: Option<Body>| World { bodies: body.into_iter().collect(), ..world.clone() };
        let mut miracle = None;
        let (worlds, when) = match concept {
            Concept::Permanence | Concept::Shape | Concept::Colour => {
                world.screens.push(tall(draw.between(22.0, 26.0), 2.0 * radius + draw.between(3.0, 8.0)));
                let changed = match concept {
                    Concept::Permanence => None,
                    Concept::Shape if shape == Shape::Ball => Some(Body { shape: Shape::Box, ..body.clone() }),
                    Concept::Shape => Some(Body { shape: Shape::Ball, ..body.clone() }),
                    _ => Some(Body { colour: other, ..body.clone() }),
                };
                ([with(&world, Some(body)), with(&world, changed)], When::Hidden)
            }
            Concept::Continuity if draw.below(2) == 0 => {
                // Smaller: two screens and a gap have to be passed.
                let lift = body.at[1] + body.radius - FLOOR;
                body.radius = 4.5;
                body.at = [draw.between(5.0, 6.5), FLOOR + lift - body.radius];
                body.velocity[0] = draw.between(1.1, 1.3);
                // Wider than the body by more than it moves in a frame: some frame finds it hidden.
                let (width, gap) = (12.0, draw.between(8.5, 10.4).round());
                let first = draw.between(19.5, 22.4).round();
                world.screens.push(tall(first, width));
                world.screens.push(tall(first + width + gap, width));
                ([with(&world, Some(body)), with(&world, None)], When::Between)
            }
            Concept::Continuity => {
                let mut ahead = body.clone();
                ahead.at[0] += draw.between(13.0, 18.0);
                ([with(&world, Some(body)), with(&world, Some(ahead))], When::At(FIRST + draw.below(12)))
            }
            Concept::Gravity => {
                let when = if turned {
                    body.at[0] = draw.between(16.0, 48.0);
                    body.velocity = [0.0; 2];
                    miracle = Some(Miracle::Rise(draw.between(0.8, 1.4)));
                    When::At(FIRST + draw.below(10))
                } else {
                    body.at = [draw.between(12.0, 30.0), draw.between(8.0, 14.0)];
                    body.velocity = [draw.between(0.2, 0.8), 0.0];
                    miracle = Some(Miracle::Hover);
                    When::At(FIRST - 1 + draw.below(5))
                };
                let mut world = with(&world, Some(body.clone()));
                // A second body that rests, where the first one does not come.
                if draw.below(3) == 0 {
                    let at = [if body.at[0] < 32.0 { 58.0 } else { 6.0 }, FLOOR - 4.0];
                    world.bodies.push(Body { at, velocity: [0.0; 2], radius: 4.0, colour: other, ..body });
                }
                ([world.clone(), world], when)
            }
            Concept::Solidity => {
                let slab = if draw.below(2) == 0 {
                    let (left, top) = (draw.between(10.0, 28.0), draw.between(34.0, 40.0));
                    body.at = [left + draw.between(9.0, 17.0), draw.between(8.0, 12.0)];
                    body.velocity = [0.0; 2];
                    [left, top, left + 26.0, top + 4.0]
                } else {
                    let left = draw.between(32.0, 38.0);
                    [left, FLOOR - 22.0, left + 5.0, FLOOR]
                };
                let open = with(&world, Some(body.clone()));
                world.solids.push(Slab { edges: slab, colour: SOLID });
                ([with(&world, Some(body)), open], When::Apart)
            }
            Concept::Inertia => {
                let at = FIRST + draw.below(8);
                let speed = body.velocity[0];
                let mut second = body.clone();
                second.at[0] += speed * at as f32;
                if draw.below(2) == 0 {
                    second.velocity = [0.0; 2];
                } else {
                    second.velocity = [-speed, 0.0];
                    second.at[0] += speed * at as f32;
                }
                ([with(&world, Some(body)), with(&world, Some(second))], When::At(at))
            }
        };
        let [a, b] = if mirrored { worlds.map(mirror) } else { worlds };
        // In the open both fates teach as much: each is the first one as often.
        let open = matches!((concept, when), (Concept::Continuity | Concept::Inertia, When::At(_)));
        let worlds = if open && draw.below(2) == 0 { [b, a] } else { [a, b] };
        Self { worlds, when, miracle }
    }
}

/// A stage turned left to right.
fn mirror(mut world: World) -> World {
    let side = SIZE as f32;
    for body in &mut world.bodies {
        body.at[0] = side - body.at[0];
        body.velocity[0] = -body.velocity[0];
    }
    for slab in world.solids.iter_mut().chain(&mut world.screens) {
        let [left, top, right, bottom] = slab.edges;
        slab.edges = [side - right, top, side - left, bottom];
    }
    world
}

/// Whether the first body is all inside the picture, where there is one.
fn on_stage(world: &World) -> bool {
    let inside = |body: &Body| (0..2).all(|i| body.at[i] > body.radius && body.at[i] < SIZE as f32 - body.radius);
    world.bodies.first().is_none_or(inside)
}

/// Whether two fates of one stage look alike in a frame: every body that differs is behind a screen.
fn alike(a: &World, b: &World) -> bool {
    let looks = |body: &Body| (body.shape, body.colour, body.radius, body.at);
    let seen = |body: &&Body| !a.screens.iter().any(|screen| body.is_behind(screen));
    let missing = |of: &World, from: &World| {
        of.bodies.iter().filter(seen).any(|body| !from.bodies.iter().any(|other| looks(other) == looks(body)))
    };
    !missing(a, b) && !missing(b, a)
}

/// A world, frame by frame.
fn played(mut world: World) -> Vec<World> {
    let frames = (0..FRAMES).map(|frame| {
        if frame > 0 {
            world.advance();
        }
        world.clone()
    });
    frames.collect()
}
