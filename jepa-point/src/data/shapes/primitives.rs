//! Single solids and profiles, about one unit large, standing on their base or lying along z.

use std::f32::consts::{FRAC_PI_2, PI, TAU};

use super::{Parameters, Solid};

pub(super) fn cuboid(p: &mut Parameters) -> Solid {
    Solid::cuboid([0.0; 3], [p.size(0.2, 0.6), p.size(0.15, 0.7), p.size(0.2, 0.6)])
}

pub(super) fn cylinder(p: &mut Parameters) -> Solid {
    let (radius, half) = (p.size(0.15, 0.5), p.size(0.15, 0.7));
    Solid::revolve(&[[0.0, -half], [radius, -half], [radius, half], [0.0, half]])
}

pub(super) fn cone(p: &mut Parameters) -> Solid {
    let (radius, height) = (p.size(0.2, 0.6), p.size(0.4, 1.4));
    Solid::revolve(&[[0.0, 0.0], [radius, 0.0], [0.0, height]])
}

pub(super) fn torus(p: &mut Parameters) -> Solid {
    let (radius, thickness) = (p.size(0.4, 0.7), p.size(0.08, 0.3));
    let around = (0..=24).map(|i| {
        let (sin, cos) = (TAU * i as f32 / 24.0).sin_cos();
        [radius + thickness * cos, thickness * sin]
    });
    Solid::revolve(&around.collect::<Vec<_>>())
}

pub(super) fn capsule(p: &mut Parameters) -> Solid {
    let (radius, half) = (p.size(0.15, 0.4), p.size(0.15, 0.6));
    let cap = |from: f32, at: f32| {
        (0..=10).map(move |i| {
            let (sin, cos) = (from + FRAC_PI_2 * i as f32 / 10.0).sin_cos();
            [radius * cos, at + radius * sin]
        })
    };
    Solid::revolve(&cap(-FRAC_PI_2, -half).chain(cap(0.0, half)).collect::<Vec<_>>())
}

pub(super) fn wedge(p: &mut Parameters) -> Solid {
    let (length, height, half) = (p.size(0.6, 1.4), p.size(0.3, 0.9), p.size(0.15, 0.5));
    lying(&[[0.0, 0.0], [length, 0.0], [0.0, height]], half)
}

pub(super) fn hex_prism(p: &mut Parameters) -> Solid {
    let (radius, half) = (p.size(0.25, 0.6), p.size(0.1, 0.6));
    Solid::extrude(&ring(6, |_| radius), -half, half)
}

pub(super) fn pipe(p: &mut Parameters) -> Solid {
    let (radius, half) = (p.size(0.25, 0.5), p.size(0.25, 0.8));
    let inner = radius * p.size(0.55, 0.85);
    Solid::revolve(&[[inner, -half], [radius, -half], [radius, half], [inner, half], [inner, -half]])
}

pub(super) fn l_profile(p: &mut Parameters) -> Solid {
    let (w, h, half) = (p.size(0.3, 0.7), p.size(0.4, 0.9), p.size(0.4, 0.9));
    let t = w * p.size(0.12, 0.35);
    lying(&[[0.0, 0.0], [w, 0.0], [w, t], [t, t], [t, h], [0.0, h]], half)
}

pub(super) fn u_profile(p: &mut Parameters) -> Solid {
    let (w, h, half) = (p.size(0.4, 0.8), p.size(0.3, 0.7), p.size(0.4, 0.9));
    let t = w * p.size(0.1, 0.25);
    lying(&[[0.0, 0.0], [w, 0.0], [w, h], [w - t, h], [w - t, t], [t, t], [t, h], [0.0, h]], half)
}

pub(super) fn t_profile(p: &mut Parameters) -> Solid {
    let (w, h, half) = (p.size(0.5, 0.9), p.size(0.4, 0.8), p.size(0.4, 0.9));
    let t = w * p.size(0.1, 0.25);
    let (left, right) = (0.5 * (w - t), 0.5 * (w + t));
    lying(&[[0.0, h], [0.0, h - t], [left, h - t], [left, 0.0], [right, 0.0], [right, h - t], [w, h - t], [w, h]], half)
}

pub(super) fn i_profile(p: &mut Parameters) -> Solid {
    let (w, h, half) = (p.size(0.4, 0.8), p.size(0.5, 0.9), p.size(0.4, 0.9));
    let t = w * p.size(0.1, 0.22);
    let (left, right) = (0.5 * (w - t), 0.5 * (w + t));
    let lower = [[0.0, 0.0], [w, 0.0], [w, t], [right, t], [right, h - t], [w, h - t]];
    let upper = [[w, h], [0.0, h], [0.0, h - t], [left, h - t], [left, t], [0.0, t]];
    lying(&[lower, upper].concat(), half)
}

pub(super) fn helix(p: &mut Parameters) -> Solid {
    let (radius, height, turns) = (p.size(0.25, 0.5), p.size(0.5, 1.2), p.count(3, 6));
    let thickness = p.size(0.03, 0.07);
    let steps = 24 * turns;
    let path = (0..=steps).map(|i| {
        let part = i as f32 / steps as f32;
        let (sin, cos) = (TAU * turns as f32 * part).sin_cos();
        [radius * cos, height * part, radius * sin]
    });
    Solid::sweep(&path.collect::<Vec<_>>(), thickness)
}

pub(super) fn gear(p: &mut Parameters) -> Solid {
    let (radius, half, teeth) = (p.size(0.4, 0.6), p.size(0.06, 0.25), p.count(8, 17));
    let root = radius * p.size(0.72, 0.88);
    // Four corners a tooth: up the flank, along the tip, down, along the root.
    let outline = ring(4 * teeth, |corner| if matches!(corner % 4, 1 | 2) { radius } else { root });
    Solid::extrude(&outline, -half, half)
}

/// Corners at equal angles.
fn ring(count: usize, radius: impl Fn(usize) -> f32) -> Vec<[f32; 2]> {
    let corner = |i: usize| {
        let (sin, cos) = (2.0 * PI * i as f32 / count as f32).sin_cos();
        [radius(i) * cos, radius(i) * sin]
    };
    (0..count).map(corner).collect()
}

/// A profile in x and y, drawn out along z by `half` to both sides.
fn lying(outline: &[[f32; 2]], half: f32) -> Solid {
    Solid::extrude(outline, -half, half).mapped(|[x, y, z]| [x, z, y])
}
