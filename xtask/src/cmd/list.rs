//! `cargo xtask list`
