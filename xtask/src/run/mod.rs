//! Taking samples: in which order, how one is taken, and what a person sees meanwhile.

pub mod measure;
pub mod plan;
pub mod progress;
