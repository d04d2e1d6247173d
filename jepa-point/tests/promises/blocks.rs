//! Target and context blocks against index sets recorded by `tests/reference/blocks.py` from the official samplers.

use jepa_core::random::{Draw as _, TorchStream};
use jepa_point::masks::{BlockConfig, BlockDraws, Blocks, ContextKind, Place, Selection, TargetKind};
use safetensors::{Dtype, SafeTensors};

struct Recorded(Vec<u8>);

impl Recorded {
    fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/blocks.safetensors");
        Self(std::fs::read(path).unwrap())
    }

    /// Whole numbers with the shape of their tensor.
    fn whole(&self, name: &str) -> (Vec<usize>, Vec<i64>) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), Dtype::I64, "{name}");
        let values = tensor.data().as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect();
        (tensor.shape().to_vec(), values)
    }

    /// Rows of indices without the holes at their ends; `rows` of them for each batch.
    fn rows(&self, name: &str) -> Vec<Vec<u32>> {
        let (shape, values) = self.whole(name);
        let row = |row: &[i64]| row.iter().filter_map(|&index| u32::try_from(index).ok()).collect();
        values.chunks(shape[shape.len() - 1]).map(row).collect()
    }

    fn numbers(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), Dtype::F32, "{name}");
        tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }
}

fn blocks(config: BlockConfig, tokens: usize) -> Blocks {
    Blocks::new(&config, "model.masks", tokens).unwrap()
}

#[test]
fn recorded_draws_and_seeds_give_the_recorded_index_sets() {
    let recorded = Recorded::read();
    for tokens in [64, 32] {
        let name = |what: &str| format!("t{tokens}.{what}");
        let blocks = blocks(BlockConfig::default(), tokens);
        let (ratios, shares) = (recorded.numbers(&name("ratio")), recorded.numbers(&name("share")));
        let (starts, start) = (recorded.whole(&name("starts")).1, recorded.whole(&name("start")).1);
        let (targets, context) = (recorded.rows(&name("targets")), recorded.rows(&name("context")));
        assert_eq!(ratios.len(), 40);
        for batch in 0..40 {
            let expected =
                Selection { targets: targets[batch * 4..batch * 4 + 4].to_vec(), context: context[batch].clone() };
            let draws = BlockDraws {
                target_ratio: ratios[batch],
                targets: starts[batch * 4..batch * 4 + 4].iter().map(|&start| Place::Start(start as usize)).collect(),
                context_ratio: shares[batch],
                context: Place::Start(start[batch] as usize),
            };
            assert_eq!(blocks.select(&draws).unwrap(), expected, "{tokens} tokens, batch {batch}");
            // The same from the seed: PyTorch's generator in the official order of draws.
            let drawn = blocks.draw(&mut TorchStream::new(100 + batch as u64)).unwrap();
            assert_eq!(drawn, (draws, expected), "{tokens} tokens, batch {batch}");
        }
    }
}

#[test]
fn the_other_modes_give_the_recorded_index_sets() {
    let recorded = Recorded::read();
    let rest = blocks(BlockConfig { context_kind: ContextKind::Rest, ..BlockConfig::default() }, 64);
    let (targets, context) = (recorded.rows("rest.targets"), recorded.rows("rest.context"));
    for batch in 0..6 {
        let (_, found) = rest.draw(&mut TorchStream::new(200 + batch as u64)).unwrap();
        assert_eq!(found.targets, targets[batch * 4..batch * 4 + 4]);
        assert_eq!(found.context, context[batch]);
    }
    let random = blocks(BlockConfig { target_kind: TargetKind::Random, ..BlockConfig::default() }, 64);
    let (targets, orders) = (recorded.rows("random.targets"), recorded.rows("random.perm"));
    for batch in 0..6 {
        let mut stream = TorchStream::new(300 + batch as u64);
        let (draws, found) = random.draw(&mut stream).unwrap();
        assert_eq!(found.targets, targets[batch * 4..batch * 4 + 4]);
        let expected: Vec<Place> = orders[batch * 4..batch * 4 + 4].iter().cloned().map(Place::Order).collect();
        assert_eq!(draws.targets, expected);
    }
    assert!((recorded.numbers("random.u")[0] - TorchStream::new(300).uniform()).abs() < 1e-9);
}
