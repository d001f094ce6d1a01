//! `cargo xtask crosscheck`
