//! Objects of several parts, about one unit large, y pointing up.

use std::f32::consts::PI;

use super::{Parameters, Solid};

pub(super) fn table(p: &mut Parameters) -> Solid {
    let (w, d, h) = (p.size(0.4, 0.8), p.size(0.3, 0.6), p.size(0.5, 1.0));
    let (plate, leg) = (p.size(0.02, 0.06), p.size(0.025, 0.07));
    let top = Solid::cuboid([0.0, h, 0.0], [w, plate, d]);
    legs(w - leg, d - leg, leg, h).into_iter().fold(top, |table, leg| table.with(leg.part(1)))
}

pub(super) fn chair(p: &mut Parameters) -> Solid {
    let (w, d, h) = (p.size(0.25, 0.4), p.size(0.25, 0.4), p.size(0.35, 0.6));
    let (back, plate, leg) = (p.size(0.4, 0.8), p.size(0.02, 0.05), p.size(0.02, 0.05));
    let seat = Solid::cuboid([0.0, h, 0.0], [w, plate, d]);
    let chair = legs(w - leg, d - leg, leg, h).into_iter().fold(seat, |chair, leg| chair.with(leg.part(1)));
    chair.with(Solid::cuboid([0.0, h + 0.5 * back, plate - d], [w, 0.5 * back, plate]).part(2))
}

pub(super) fn lamp(p: &mut Parameters) -> Solid {
    let (foot, height, pole) = (p.size(0.2, 0.35), p.size(0.9, 1.4), p.size(0.015, 0.04));
    let (shade, narrow, drop) = (p.size(0.25, 0.45), p.size(0.4, 0.8), p.size(0.25, 0.45));
    let stand = [[0.0, 0.0], [foot, 0.0], [foot, 0.05], [pole, 0.05], [pole, height], [0.0, height]];
    Solid::revolve(&stand).with(Solid::revolve(&[[shade, height - drop], [shade * narrow, height]]).part(1))
}

pub(super) fn cup(p: &mut Parameters) -> Solid {
    let (radius, height, wall) = (p.size(0.3, 0.45), p.size(0.5, 0.9), p.size(0.02, 0.05));
    let (base, handle, bar) = (radius * p.size(0.7, 1.0), p.size(0.15, 0.28), p.size(0.025, 0.05));
    let (inner, inner_base) = (radius - wall, base - wall);
    let body = [[0.0, 0.0], [base, 0.0], [radius, height], [inner, height], [inner_base, wall], [0.0, wall]];
    // Half a ring at the side.
    let path = (0..=16).map(|i| {
        let (sin, cos) = (PI * i as f32 / 16.0).sin_cos();
        [radius - bar + handle * sin, 0.5 * height + handle * cos, 0.0]
    });
    Solid::revolve(&body).with(Solid::sweep(&path.collect::<Vec<_>>(), bar).part(1))
}

pub(super) fn bottle(p: &mut Parameters) -> Solid {
    let (radius, body, shoulder) = (p.size(0.18, 0.35), p.size(0.4, 0.8), p.size(0.1, 0.3));
    let (neck, length) = (radius * p.size(0.25, 0.45), p.size(0.15, 0.4));
    let rise = (0..=10).map(|i| {
        // A smooth step from the body to the neck.
        let part = i as f32 / 10.0;
        let eased = part * part * (3.0 - 2.0 * part);
        [radius + (neck - radius) * eased, body + shoulder * part]
    });
    let belly: Vec<[f32; 2]> = [[0.0, 0.0], [radius, 0.0]].into_iter().chain(rise).collect();
    let end = body + shoulder;
    Solid::revolve(&belly).with(Solid::revolve(&[[neck, end], [neck, end + length]]).part(1))
}

pub(super) fn airplane(p: &mut Parameters) -> Solid {
    let (length, radius) = (p.size(0.7, 1.0), p.size(0.07, 0.14));
    let (span, chord, sweep) = (p.size(0.6, 1.0), p.size(0.12, 0.22), p.size(0.0, 0.3));
    let (tail, fin, at) = (p.size(0.25, 0.4), p.size(0.18, 0.35), p.size(-0.1, 0.2));
    let hull = (0..=20).map(|i| {
        let along = i as f32 / 10.0 - 1.0;
        // Blunt at the nose, slim at the tail.
        let bulge = (1.0 - along * along).max(0.0).sqrt() * if along > 0.0 { 1.0 - 0.6 * along } else { 1.0 };
        [radius * bulge, length * along]
    });
    // Revolved about y, then laid along z.
    let body = Solid::revolve(&hull.collect::<Vec<_>>()).mapped(|[x, y, z]| [x, z, y]);
    // A straight box has no corner in its middle to bend at: two halves.
    let wing = |span: f32, chord: f32, z: f32| {
        let half = |side: f32| {
            Solid::cuboid([0.5 * span, 0.0, 0.0], [0.5 * span, 0.02, chord])
                .mapped(|[x, y, along]| [side * x, y, along + z + x * sweep])
        };
        half(1.0).with(half(-1.0))
    };
    let rudder = Solid::cuboid([0.0, 0.5 * fin, 0.85 * length], [0.02, 0.5 * fin, 0.6 * chord]);
    body.with(wing(span, chord, at * length).part(1)).with(wing(tail, 0.6 * chord, 0.85 * length).with(rudder).part(2))
}

/// Four legs from the floor to `height`.
fn legs(x: f32, z: f32, half: f32, height: f32) -> [Solid; 4] {
    [[-x, -z], [x, -z], [-x, z], [x, z]].map(|[x, z]| Solid::cuboid([x, 0.5 * height, z], [half, 0.5 * height, half]))
}
