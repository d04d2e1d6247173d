//! The toolbox against collapse: values and figures to the printed digits of the notes, values and gradients of a
//! restatement in PyTorch (`tests/reference/collapse.py`), gradients against finite differences, one and two replicas.
//! Everything but the replicas is in double precision.

mod figures;
mod fixture;
mod gradients;
mod losses;
mod replicas;
