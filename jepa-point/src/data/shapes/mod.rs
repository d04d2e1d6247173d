//! Synthetic CAD shapes: parametric solids and assemblies, built as meshes and sampled by area.
//!
//! | file | noun |
//! |---|---|
//! | `parameters` | sizes and counts, drawn from ranges that differ between training and test |
//! | `solid` | revolved, extruded and swept surfaces |
//! | `primitives` | single solids and profiles |
//! | `assemblies` | objects of several parts |

mod assemblies;
mod parameters;
mod primitives;
mod solid;

pub(super) use parameters::Parameters;
pub(super) use solid::Solid;

/// What makes a solid of one class.
pub(super) type Make = fn(&mut Parameters) -> Solid;

/// A class: what makes its solids, and of how many parts they are.
pub(super) struct Class {
    pub(super) name: &'static str,
    pub(super) make: Make,
    pub(super) parts: u32,
}

/// The classes in label order. A change here, or in anything a shape depends on, is a new
/// [`VERSION`](super::builtin::VERSION).
pub(super) const CLASSES: [Class; 20] = [
    Class { name: "box", make: primitives::cuboid, parts: 1 },
    Class { name: "cylinder", make: primitives::cylinder, parts: 1 },
    Class { name: "cone", make: primitives::cone, parts: 1 },
    Class { name: "torus", make: primitives::torus, parts: 1 },
    Class { name: "capsule", make: primitives::capsule, parts: 1 },
    Class { name: "wedge", make: primitives::wedge, parts: 1 },
    Class { name: "hex prism", make: primitives::hex_prism, parts: 1 },
    Class { name: "pipe", make: primitives::pipe, parts: 1 },
    Class { name: "L profile", make: primitives::l_profile, parts: 1 },
    Class { name: "U profile", make: primitives::u_profile, parts: 1 },
    Class { name: "T profile", make: primitives::t_profile, parts: 1 },
    Class { name: "I profile", make: primitives::i_profile, parts: 1 },
    Class { name: "helix", make: primitives::helix, parts: 1 },
    Class { name: "gear", make: primitives::gear, parts: 1 },
    Class { name: "table", make: assemblies::table, parts: 2 }, // top, legs
    Class { name: "chair", make: assemblies::chair, parts: 3 }, // seat, legs, back
    Class { name: "lamp", make: assemblies::lamp, parts: 2 },   // stand, shade
    Class { name: "cup", make: assemblies::cup, parts: 2 },     // body, handle
    Class { name: "bottle", make: assemblies::bottle, parts: 2 }, // body, neck
    Class { name: "airplane", make: assemblies::airplane, parts: 3 }, // hull, wings, tail
];

/// Number of the first part of a class, counted over all classes.
pub(super) fn first_part(class: usize) -> u32 {
    CLASSES.iter().take(class).map(|class| class.parts).sum()
}
