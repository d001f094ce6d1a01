//! `cargo xtask report`
