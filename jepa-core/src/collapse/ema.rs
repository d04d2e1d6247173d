//! The EMA target: θ' ← m θ' + (1 − m) θ. The only file that moves a target.

use burn::module::Module;

use crate::error::Result;
use crate::host;
use crate::nn::params::{self, Role};

/// Moves `target` towards `student`, leaf by leaf. Position tables stay as they are: both networks hold the same.
pub fn follow<M: Module>(target: M, student: &M, momentum: f64) -> Result<M> {
    let mut values = Vec::new();
    params::visit(student, |_, value| values.push(value));
    let mut values = values.into_iter();
    let (keep, take) = (momentum as f32, (1.0 - momentum) as f32);
    params::map(target, |leaf, old| match values.next() {
        Some(new) if leaf.role() != Role::Frozen => {
            if host::holds(&old) {
                let new = host::view(new)?;
                host::update(old, |old| {
                    host::zip([old], [new.values()], |[old], [new]| {
                        old.iter_mut().zip(new).for_each(|(o, n)| *o = *o * keep + *n * take);
                    });
                })
            } else {
                Ok(old * momentum + new * (1.0 - momentum))
            }
        }
        _ => Ok(old),
    })
}
