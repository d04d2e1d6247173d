//! What the blocks of a transformer did in a forward pass, for inspection: a tap on the wire, not another path.
//!
//! A pass inside [`watch`] runs the operations of training, fused kernels included (on libtorch layer by layer, where
//! training takes a block at once), and what attention read and what a block gave are kept besides. The fused kernels never write attention probabilities down; [`Watched`] works them out
//! from the same queries and keys with an explicit softmax.

use std::cell::RefCell;

use burn::prelude::*;
use burn::tensor::activation;

use super::composed;

/// One attention, in the order in which they ran, with the block around it.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Queries, keys and values as attention read them, turned by their places where there is a rotation: [rows, tokens,
    /// 3 width].
    pub qkv: Tensor<3>,
    /// Number of heads.
    pub heads: usize,
    /// The heads' results side by side, before the output projection: [rows, tokens, width].
    pub mixed: Tensor<3>,
    /// The output of the block around it, [rows, tokens, width]; none for an attention outside of a block.
    pub output: Option<Tensor<3>>,
}

impl Watched {
    /// Queries, keys and values by head: [rows, heads, tokens, head width] each.
    pub fn parts(&self) -> [Tensor<4>; 3] {
        composed::split_heads(self.qkv.clone(), self.heads)
    }

    /// Attention probabilities, [rows, heads, tokens, tokens]; each row sums to one.
    pub fn probabilities(&self) -> Tensor<4> {
        let [q, k, _] = self.parts();
        let scale = (q.dims()[3] as f64).powf(-0.5);
        activation::softmax(q.matmul(k.swap_dims(2, 3)) * scale, 3)
    }
}

thread_local! {
    static TAPE: RefCell<Option<Vec<Watched>>> = const { RefCell::new(None) };
}

/// Takes the tape away whichever way the pass ends.
struct Tape;

impl Drop for Tape {
    fn drop(&mut self) {
        TAPE.with_borrow_mut(|tape| *tape = None);
    }
}

/// Runs `pass` on this thread; its result, and what every attention in it did. Not to be nested: the inner call takes all.
pub fn watch<T>(pass: impl FnOnce() -> T) -> (T, Vec<Watched>) {
    TAPE.with_borrow_mut(|tape| *tape = Some(Vec::new()));
    let tape = Tape;
    let result = pass();
    let watched = TAPE.with_borrow_mut(Option::take).unwrap_or_default();
    drop(tape);
    (result, watched)
}

/// Whether somebody watches this thread.
pub(super) fn is_on() -> bool {
    TAPE.with_borrow(Option::is_some)
}

/// An attention has run.
pub(super) fn attention(qkv: Tensor<3>, heads: usize, mixed: &Tensor<3>) {
    let watched = Watched { qkv, heads, mixed: mixed.clone(), output: None };
    TAPE.with_borrow_mut(|tape| tape.iter_mut().for_each(|tape| tape.push(watched.clone())));
}

/// The block around the last attention has run.
pub(super) fn block(output: &Tensor<3>) {
    TAPE.with_borrow_mut(|tape| {
        if let Some(last) = tape.as_mut().and_then(|tape| tape.last_mut()) {
            last.output = Some(output.clone());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;
    use crate::nn::{Block, BlockConfig, Init, InitScheme, Rotary, RotaryConfig, RotaryForm};

    fn ramp(shape: [usize; 3]) -> Tensor<3> {
        let values: Vec<f32> = (0..shape.iter().product()).map(|i| (i as f32 * 0.37).sin()).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn far<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f64 {
        host::scalar((a - b).abs().max()).unwrap()
    }

    #[test]
    fn probabilities_sum_to_one_and_give_the_blocks_output_when_applied_to_the_values() {
        let init = &mut Init::new(3, InitScheme::FanIn, &Device::flex());
        let config = BlockConfig { width: 48, heads: 2, hidden: 96, eps: 1e-6 };
        let blocks = [Block::new(init, config, 1), Block::new(init, config, 2)];
        let rotary = Rotary::new(&RotaryConfig { form: RotaryForm::Paired, stretch_to: None }, [1, 3, 4], 24);
        let x = ramp([2, 12, 48]);
        for rotation in [None, Some(rotary.all())] {
            let pass = || blocks.iter().fold(x.clone(), |x, block| block.turned(x, 0, rotation.as_ref()));
            let (y, watched) = watch(pass);
            assert_eq!(far(y.clone(), pass()), 0.0, "watching changes a number");
            assert_eq!(watched.len(), 2);
            assert_eq!(far(watched[1].output.clone().unwrap(), y), 0.0);
            let mut input = x.clone();
            for (seen, block) in watched.iter().zip(&blocks) {
                let p = seen.probabilities();
                assert!(far(p.clone().sum_dim(3), Tensor::ones([2, 2, 12, 1], &x.device())) < 1e-5);
                let apply = |p: Tensor<4>| {
                    let [_, _, v] = seen.parts();
                    let mixed: Tensor<3> = p.matmul(v).swap_dims(1, 2).reshape([2, 12, 48]);
                    let x = input.clone() + block.attn.proj.forward(mixed);
                    x.clone() + block.mlp.fc2.forward(block.mlp.hidden(block.norm2.forward(x)))
                };
                let output = seen.output.clone().unwrap();
                assert!(far(apply(p.clone()), output.clone()) < 1e-4);
                // The control: the heads' probabilities exchanged.
                assert!(far(apply(p.flip([1])), output.clone()) > 1e-2);
                input = output;
            }
        }
    }

    #[test]
    fn nothing_is_kept_outside_and_after_a_pass_that_dies() {
        let init = &mut Init::new(3, InitScheme::FanIn, &Device::flex());
        let block = Block::new(init, BlockConfig { width: 8, heads: 2, hidden: 8, eps: 1e-6 }, 1);
        block.forward(ramp([1, 3, 8]));
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let died = std::panic::catch_unwind(|| watch(|| assert!(!is_on(), "dies"))).is_err();
        std::panic::set_hook(hook);
        assert!(died && !is_on());
        assert_eq!(watch(|| ()).1.len(), 0);
    }
}
