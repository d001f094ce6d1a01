//! `cargo xtask bench`
