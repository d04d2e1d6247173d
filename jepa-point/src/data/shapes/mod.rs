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

/// The classes in label order. A change here, or in anything a shape depends on, is a new
/// [`VERSION`](super::builtin::VERSION).
pub(super) const CLASSES: [(&str, Make); 20] = [
    ("box", primitives::cuboid),
    ("cylinder", primitives::cylinder),
    ("cone", primitives::cone),
    ("torus", primitives::torus),
    ("capsule", primitives::capsule),
    ("wedge", primitives::wedge),
    ("hex prism", primitives::hex_prism),
    ("pipe", primitives::pipe),
    ("L profile", primitives::l_profile),
    ("U profile", primitives::u_profile),
    ("T profile", primitives::t_profile),
    ("I profile", primitives::i_profile),
    ("helix", primitives::helix),
    ("gear", primitives::gear),
    ("table", assemblies::table),
    ("chair", assemblies::chair),
    ("lamp", assemblies::lamp),
    ("cup", assemblies::cup),
    ("bottle", assemblies::bottle),
    ("airplane", assemblies::airplane),
];
