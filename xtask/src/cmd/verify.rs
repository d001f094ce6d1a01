//! `cargo xtask verify`
