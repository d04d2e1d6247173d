//! Projections, neighbours and how far to trust them: pure functions of a table of vectors.
