//! What follows the student: the EMA target, θ' ← m θ' + (1 − m) θ, and the running figures of batch normalisations.
//! The only file that moves a target.

use burn::module::Module;
use burn::prelude::*;

#[cfg(feature = "tch")]
use crate::error::Error;
use crate::error::Result;
use crate::host;
#[cfg(feature = "tch")]
use crate::libtorch;
use crate::nn::params::{self, Role};
use crate::nn::{BatchNorm, BatchStatistics};

/// Moves `target` towards `student`, leaf by leaf. What is never trained, and what `averaged` denies, is the student's
/// own.
pub fn follow<M: Module>(target: M, student: &M, momentum: f64, averaged: impl Fn(&str) -> bool) -> Result<M> {
    let mut values = Vec::new();
    params::visit(student, |_, value| values.push(value));
    let mut values = values.into_iter();
    let (keep, take) = (momentum as f32, (1.0 - momentum) as f32);
    params::map(target, |leaf, old| match values.next() {
        Some(new) if leaf.role() == Role::Frozen || !averaged(&leaf.path) => Ok(new),
        Some(new) => {
            if host::holds(&old) {
                let new = host::view(new)?;
                host::update(old, |old| {
                    host::zip([old], [new.values()], |[old], [new]| {
                        old.iter_mut().zip(new).for_each(|(o, n)| *o = *o * keep + *n * take);
                    });
                })
            } else {
                blend(old, new, momentum)
            }
        }
        None => Ok(old),
    })
}

fn blend(old: Tensor<1>, new: Tensor<1>, momentum: f64) -> Result<Tensor<1>> {
    #[cfg(feature = "tch")]
    if libtorch::holds(&old) {
        return libtorch::follow(old, new, momentum)
            .ok_or_else(|| Error::Engine("the target lies on another engine than the student".into()));
    }
    Ok(old * momentum + new * (1.0 - momentum))
}

/// Moves the running figures of every batch normalisation towards what it met, once for every time it met something.
pub fn follow_statistics<M: Module>(module: M, met: &[(String, BatchStatistics)]) -> Result<M> {
    params::map(module, |leaf, old| {
        let Some((layer, figure)) = leaf.path.rsplit_once('.') else { return Ok(old) };
        let figure = |new: &BatchStatistics| match figure {
            "running_mean" => Some(new.mean.clone()),
            "running_var" => Some(new.variance.clone()),
            _ => None,
        };
        let met = met.iter().filter(|(path, _)| path == layer).filter_map(|(_, new)| figure(new));
        Ok(met.fold(old, |old, new| old * (1.0 - BatchNorm::MOMENTUM) + new * BatchNorm::MOMENTUM))
    })
}

/// ‖θ − θ'‖ / ‖θ‖ over the trained leaves of a student θ and its target θ'.
pub fn distance_to<M: Module>(target: &M, student: &M) -> Result<f64> {
    let mut values = Vec::new();
    params::visit(student, |leaf, value| values.push((leaf.role(), value)));
    let (mut values, mut pairs) = (values.into_iter(), Vec::new());
    params::visit(target, |_, theirs| {
        if let Some((role, ours)) = values.next()
            && role != Role::Frozen
        {
            pairs.push((ours, theirs));
        }
    });
    let (mut apart, mut length) = (0.0, 0.0);
    for (ours, theirs) in pairs {
        for (a, b) in host::read(ours.inner())?.into_iter().zip(host::read(theirs.inner())?) {
            apart += (f64::from(a) - f64::from(b)).powi(2);
            length += f64::from(a).powi(2);
        }
    }
    Ok(if length > 0.0 { (apart / length).sqrt() } else { 0.0 })
}
