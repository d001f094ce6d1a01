//! `cargo xtask doctor`
