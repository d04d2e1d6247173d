//! Layers, attention and masks of one's own, held against the passes they are taken from.

use super::{Bench, require, text};
use crate::data::{DataSpec, Split};
use crate::device::Engine;
use crate::error::Error;
use crate::host;
use crate::jepa::{Batch as _, Jepa as _, Role, Step};
use crate::nn::watch;
use crate::objective::{Memory, Objective};
use crate::plugin::inspection::Opened;
use crate::plugin::variant::Batch;
use crate::plugin::{Inspected, Inspector as _, TokenSets, Variant};
use crate::probe::Network;

pub(super) fn kept<V: Variant>(bench: &Bench<V>) -> Result<(), String> {
    let learner = bench.learner()?;
    let spec = DataSpec::parse(&bench.config.data.source, V::FORMATS);
    let opened = Opened::<V> {
        variant: V::new(&bench.config.model).map_err(text)?,
        config: bench.config.clone(),
        target: learner.encoder(),
        student: Some(learner.student),
        objective: Objective::new(&bench.config.objective).map_err(text)?,
        memory: Memory::default(),
        source: bench.variant.open(&spec, Split::Train).map_err(text)?,
        engine: Engine::cpu(),
        about: Inspected { data: String::new(), samples: 1, classes: Vec::new(), step: None, distance: String::new() },
        last: Default::default(),
    };
    layers(&opened, !bench.batch.mask_sets().is_empty())?;
    attention(&opened)?;
    masks_of_ones_own(&opened, &bench.batch.shard(0..1))
}

/// The last layer is what everybody else calls the features, and where tokens are hidden the scene shows those.
fn layers<V: Variant>(opened: &Opened<V>, has_tokens: bool) -> Result<(), String> {
    let look = opened.look(0, Network::Target).map_err(text)?;
    let sample = opened.source.read(0).map_err(text)?;
    let batch = opened.variant.clean(&[sample], 0).map_err(text)?;
    let features = host::read(V::Model::features(&opened.target, &batch, &opened.engine.device)).map_err(text)?;
    let last = look.layers.last().ok_or("a look has no layers")?;
    require(last.values == features, || "the last layer differs from the features".into())?;
    let tokens = (0..look.scene.frames()).flat_map(|frame| look.scene.tokens(frame)).flatten().max();
    let fits = tokens.is_some_and(|token| (*token as usize) < last.tokens());
    require(fits || !has_tokens, || format!("the scene shows token {tokens:?} of {}", last.tokens()))
}

/// Probabilities on the host sum to one and turn the values into what the fused attention gave; another head's do not.
fn attention<V: Variant>(opened: &Opened<V>) -> Result<(), String> {
    let look = opened.look(0, Network::Target).map_err(text)?;
    let sample = opened.source.read(0).map_err(text)?;
    let batch = opened.variant.clean(&[sample], 0).map_err(text)?;
    let (_, watched) = watch(|| V::Model::features(&opened.target, &batch, &opened.engine.device));
    for (heads, watched) in look.attention.iter().zip(&watched) {
        let values = host::read(watched.parts()[2].clone().narrow(0, 0, 1)).map_err(text)?;
        let mixed = host::read(watched.mixed.clone().narrow(0, 0, 1)).map_err(text)?;
        let (tokens, size) = (heads.tokens(), heads.width / heads.heads);
        // What one head makes of the values of another, against what the network made of them.
        let distance = |head: usize, of: usize, token: usize| {
            let weights = heads.head(of, token);
            let sum = |i: usize| -> f32 {
                (0..tokens).map(|other| weights[other] * values[(head * tokens + other) * size + i]).sum()
            };
            let found = &mixed[token * heads.width + head * size..][..size];
            (0..size).map(|i| (sum(i) - found[i]).abs()).fold(0.0, f32::max)
        };
        let (mut own, mut foreign) = (0f32, 0f32);
        for (head, token) in (0..heads.heads).flat_map(|head| (0..tokens).map(move |token| (head, token))) {
            let sum: f32 = heads.head(head, token).iter().sum();
            require((sum - 1.0).abs() < 1e-4, || format!("attention of token {token} sums to {sum}"))?;
            own = own.max(distance(head, head, token));
            foreign = foreign.max(distance(head, (head + 1) % heads.heads, token));
        }
        let size = mixed.iter().map(|v| v.abs()).fold(0.0, f32::max);
        require(own <= 1e-4 * size.max(1e-3), || format!("attention gives other values by {own}, of {size}"))?;
        require(heads.heads == 1 || foreign > 4.0 * own, || {
            format!("another head's attention fits as well: {foreign} beside {own}")
        })?;
    }
    Ok(())
}

/// A mask that is put into a batch gives the errors of training with that mask, and what it hides does not leak.
fn masks_of_ones_own<V: Variant>(opened: &Opened<V>, batch: &Batch<V>) -> Result<(), String> {
    let sets: Vec<TokenSets> = batch.mask_sets().iter().map(TokenSets::from).collect();
    let masked = match batch.masked(&sets) {
        Err(Error::NotOffered { .. }) => return Ok(()),
        masked => masked.map_err(text)?,
    };
    let Some(student) = &opened.student else { return Ok(()) };
    let step = Step { batch_statistics: false, ..Step::new(1, 100, opened.config.run.seed, &opened.engine.device) };
    let forward = |batch: &Batch<V>| student.forward(&opened.target, batch, &step);
    let context = |batch: &Batch<V>| -> Result<Vec<f32>, String> {
        let forward = forward(batch);
        let context = forward.embedding(Role::Context).ok_or("the forward pass gives no context embedding")?;
        host::read(context.clone()).map_err(text)
    };
    let plain = context(&masked)?;
    require(context(&masked.disturbed(true))? == plain, || "what one's own mask hides leaks".into())?;
    require(context(&masked.disturbed(false))? != plain, || "what one's own mask shows is not seen".into())?;
    // Several rows of a sample have masks of their own in training, and one mask here.
    let is_one_row = batch.mask_sets().iter().flat_map(|set| &set.context).all(|mask| mask.batch() == 1);
    let found = opened.errors(&masked).map_err(text)?.generators;
    let mean = found.iter().map(|errors| errors.mean).sum::<f64>() / found.len() as f64;
    let loss = opened.objective.energy(forward(batch), &Memory::default()).map_err(text)?;
    let energy = loss.terms.into_iter().find(|(name, _)| *name == "energy").ok_or("there is no energy")?;
    let energy = host::scalar(energy.1).map_err(text)?;
    require(!is_one_row || (mean - energy).abs() <= 1e-5 * energy.abs().max(1e-3), || {
        format!("one's own mask gives an error of {mean}, training with the same {energy}")
    })?;
    for (errors, set) in found.iter().zip(&sets) {
        let hidden = |token: usize| set.target.iter().flatten().any(|t| *t as usize == token);
        let fits = errors.tokens.iter().enumerate().all(|(token, error)| error.is_nan() != hidden(token));
        require(fits, || "errors do not stand at the hidden tokens".into())?;
    }
    Ok(())
}
