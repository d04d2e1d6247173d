//! The number format of matrix products.
//!
//! With bf16, what goes into a linear layer or a transformer's self-attention is rounded, and so is what comes out of it.
//! Weights, moments, norms, softmax, the residual stream and the loss stay f32, and so do convolutions, attention with
//! dropout, attention forward in time and pooling by attention. Gradients pass the rounding unchanged and arrive at the
//! weights in f32. bf16 has f32's range, so no loss is scaled.

use std::cell::Cell;

use burn::prelude::*;
use burn::tensor::DType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The number format of matrix products in training. Probes and features are always computed in f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// f32 everywhere.
    #[default]
    F32,
    /// Linear layers and self-attention in bf16, for GPUs with units for it; everything else f32.
    Bf16,
}

impl Precision {
    /// Whether it is the usual one.
    pub fn is_f32(&self) -> bool {
        *self == Self::F32
    }

    /// Runs `f` with products in this format, on this thread.
    pub fn within<T>(self, f: impl FnOnce() -> T) -> T {
        struct Before(Precision);
        impl Drop for Before {
            fn drop(&mut self) {
                NOW.set(self.0);
            }
        }
        let _before = Before(NOW.replace(self));
        f()
    }
}

thread_local! {
    static NOW: Cell<Precision> = const { Cell::new(Precision::F32) };
}

/// The format in force on this thread.
#[cfg(feature = "tch")]
pub(super) fn now() -> Precision {
    NOW.get()
}

/// Rounded for a product, where products are not in f32.
pub(super) fn for_product<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match NOW.get() {
        Precision::Bf16 if x.dtype() == DType::F32 => x.cast(DType::BF16),
        _ => x,
    }
}

/// In f32 again.
pub(super) fn full<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if x.dtype() == DType::BF16 { x.cast(DType::F32) } else { x }
}
