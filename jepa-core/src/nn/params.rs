//! A module seen as a list of named leaves.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;

use crate::error::Result;

/// One parameter tensor of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Path through the module, which is PyTorch's name: `encoder.blocks.0.attn.qkv.weight`.
    pub path: String,
    /// Shape as kept in memory.
    pub shape: Vec<usize>,
    /// Whether this is the matrix of a [`Linear`](super::Linear), which checkpoints hold transposed.
    pub matrix: bool,
}

/// How the optimiser treats a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Trained, with weight decay: matrices, the mask token.
    Decayed,
    /// Trained without decay: biases and everything one-dimensional (the official test: "bias" in the name or 1-D).
    Undecayed,
    /// Never trained: position tables, running figures of a batch normalisation, everything below a field named
    /// `frozen`.
    Frozen,
}

impl Leaf {
    /// The optimiser group, by name and rank as the official code decides.
    pub fn role(&self) -> Role {
        let tables = ["pos_embed", "running_mean", "running_var"];
        if tables.iter().any(|name| self.path.ends_with(name)) || self.path.split('.').any(|part| part == "frozen") {
            Role::Frozen
        } else if self.path.contains("bias") || self.shape.len() == 1 {
            Role::Undecayed
        } else {
            Role::Decayed
        }
    }

    /// Shape in a checkpoint.
    pub fn stored_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if self.matrix {
            shape.reverse();
        }
        shape
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the leaf holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Default)]
struct Path {
    names: Vec<String>,
    containers: Vec<String>,
}

impl Path {
    fn enter(&mut self, name: &str, container: &str) {
        self.names.push(name.to_owned());
        self.containers.push(container.to_owned());
    }

    fn exit(&mut self) {
        self.names.pop();
        self.containers.pop();
    }

    fn leaf(&self, shape: Vec<usize>) -> Leaf {
        let matrix = shape.len() == 2 && self.containers.last().is_some_and(|c| c == "Struct:Linear");
        Leaf { path: self.names.join("."), shape, matrix }
    }
}

struct Visit<F>(Path, F);

impl<F: FnMut(Leaf, Tensor<1>)> ModuleVisitor for Visit<F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.0.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let leaf = self.0.leaf(value.dims().to_vec());
        let flat = [leaf.len()];
        (self.1)(leaf, value.reshape(flat));
    }
}

struct Map<F>(Path, F, Result<()>);

impl<F: FnMut(Leaf, Tensor<1>) -> Result<Tensor<1>>> ModuleMapper for Map<F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.0.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.2.is_err() {
            return param;
        }
        let (id, value, mapper) = param.consume();
        let (shape, device) = (value.dims(), value.device());
        let leaf = self.0.leaf(shape.to_vec());
        let flat = [leaf.len()];
        // `consume` leaves the tensor uniquely owned, so that work on its values happens in place.
        let value = match (self.1)(leaf, value.reshape(flat)) {
            Ok(value) => value.reshape(shape),
            Err(error) => {
                // The module is dropped with the error; this only keeps its shape.
                self.2 = Err(error);
                Tensor::zeros(shape, &device)
            }
        };
        Param::from_mapped_value(id, value, mapper)
    }
}

/// Calls `f` with every float leaf in a fixed order, its values flattened.
pub fn visit<M: Module>(module: &M, f: impl FnMut(Leaf, Tensor<1>)) {
    module.visit(&mut Visit(Path::default(), f));
}

/// Replaces the flattened values of every float leaf, in the order of [`visit`]; the first error is returned.
pub fn map<M: Module>(module: M, f: impl FnMut(Leaf, Tensor<1>) -> Result<Tensor<1>>) -> Result<M> {
    let mut map = Map(Path::default(), f, Ok(()));
    let module = module.map(&mut map);
    map.2.map(|()| module)
}

/// Every leaf in the order of [`visit`].
pub fn leaves<M: Module>(module: &M) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    visit(module, |leaf, _| leaves.push(leaf));
    leaves
}

/// Gradients of every leaf that got one, in the order of [`visit`], as plain tensors.
pub fn gradients<M: Module>(module: &M, grads: &mut burn::tensor::Gradients) -> Vec<Option<Tensor<1>>> {
    struct Collect<'a>(&'a mut burn::tensor::Gradients, Vec<Option<Tensor<1>>>);
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let grad = param.val().grad_remove(self.0);
            self.1.push(grad.map(|g| {
                let flat = [g.shape().num_elements()];
                g.reshape(flat)
            }));
        }
    }
    let mut collect = Collect(grads, Vec::new());
    module.visit(&mut collect);
    collect.1
}
