//! Clips from files, and the built-in ones.
