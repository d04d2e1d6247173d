//! Entries of the registry that share a type.

use super::variant::{Description, Preset};
use super::{Plugin, Variant};
use crate::train::RunConfig;

/// One entry of the registry. A [`Variant`] is one by itself. Several whose networks and data are the same, and whose
/// configuration says what is learned, are members of one family: each brings words and presets, the family the rest,
/// which is compiled once. A family lists what it [reads](Variant::reads).
///
/// ```ignore
/// jepa_core::register!(VicReg);
///
/// impl Member for VicReg {
///     const DESCRIPTION: Description = Description { id: "vicreg", .. };
///     type Family = Views;
///     fn presets() -> Vec<Preset<ViewsConfig>> { .. }
/// }
/// ```
pub trait Member: 'static {
    /// The entry in words.
    const DESCRIPTION: Description;
    /// What trains, probes and draws it.
    type Family: Variant;

    /// Its named configurations, as [`Variant::presets`] has them.
    fn presets() -> Vec<Preset<<Self::Family as Variant>::Config>>;

    /// The configuration under which it goes on with weights that the family has imported.
    fn adopt(config: RunConfig<<Self::Family as Variant>::Config>) -> RunConfig<<Self::Family as Variant>::Config> {
        config
    }
}

impl<V: Variant> Member for V {
    const DESCRIPTION: Description = <V as Variant>::DESCRIPTION;
    type Family = V;

    fn presets() -> Vec<Preset<V::Config>> {
        <V as Variant>::presets()
    }
}

impl Plugin {
    /// Its id.
    pub(super) fn id(&self) -> &'static str {
        self.description.id
    }
}
