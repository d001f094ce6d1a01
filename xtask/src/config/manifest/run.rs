//! The placeholders in `run`.

use std::net::SocketAddr;
use std::path::Path;

use super::{Invalid, Manifest, suggest};

const ALLOWED: [&str; 6] = ["{addr}", "{port}", "{threads}", "{json}", "{target}", "{dir}"];

/// What the placeholders in `run` stand for.
#[derive(Clone, Copy, Debug)]
pub struct RunValues<'a> {
    /// `{addr}` is its IP address and `{port}` its port.
    pub listen: SocketAddr,
    /// Threads that serve requests.
    pub threads: u32,
    pub json: &'a str,
    /// Cargo's target directory.
    pub target: &'a Path,
    /// The server's folder.
    pub dir: &'a Path,
}

impl RunValues<'_> {
    /// `run` with every placeholder replaced.
    pub fn substitute(&self, run: &[String]) -> Vec<String> {
        run.iter().map(|argument| self.argument(argument)).collect()
    }

    fn argument(&self, argument: &str) -> String {
        let mut replaced = String::new();
        for piece in pieces(argument) {
            match piece {
                "{addr}" => replaced += &self.listen.ip().to_string(),
                "{port}" => replaced += &self.listen.port().to_string(),
                "{threads}" => replaced += &self.threads.to_string(),
                "{json}" => replaced += self.json,
                "{target}" => replaced += &self.target.to_string_lossy(),
                "{dir}" => replaced += &self.dir.to_string_lossy(),
                text => replaced += text,
            }
        }
        replaced
    }
}

/// `a{b}c` is `a`, `{b}`, `c`. One pass, so that a replaced value is never searched again.
fn pieces(argument: &str) -> impl Iterator<Item = &str> {
    argument.split_inclusive('}').flat_map(|piece| {
        let open = piece.rfind('{').unwrap_or(piece.len());
        let (text, placeholder) = piece.split_at(open);
        [text, placeholder]
    })
}

pub(super) fn check(manifest: &Manifest) -> Result<(), Invalid> {
    for (index, argument) in manifest.run.iter().enumerate() {
        let unknown =
            pieces(argument).find(|piece| piece.starts_with('{') && !ALLOWED.contains(piece));
        if let Some(unknown) = unknown {
            let message = format!(
                "unknown placeholder `{unknown}`; `run` may use {}",
                suggest::list(&ALLOWED)
            );
            return Err(Invalid::at(&["run", &index.to_string()], message));
        }
    }
    let uses = |placeholder| {
        let mut arguments = manifest.run.iter();
        arguments.any(|argument| argument.contains(placeholder))
    };
    if !uses("{port}") {
        let message =
            "`run` has no `{port}`; the harness chooses the port and must be able to say so";
        return Err(Invalid::at(&["run"], message));
    }
    if manifest.variants.len() > 1 && !uses("{json}") {
        let message = "`run` has no `{json}`, so that all variants would be the same";
        return Err(Invalid::at(&["run"], message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> RunValues<'static> {
        RunValues {
            listen: SocketAddr::from(([127, 0, 0, 1], 20_017)),
            threads: 2,
            json: "{port}",
            target: Path::new("/build/target"),
            dir: Path::new("/src/servers/axum"),
        }
    }

    #[test]
    fn every_placeholder_is_replaced_and_a_replaced_value_is_not_searched_again() {
        let run = [
            "{target}/release/axum",
            "--listen={addr}:{port}",
            "{threads}{threads}",
            "{dir}",
            "{json}",
            "plain",
            "}{",
        ]
        .map(str::to_owned);
        assert_eq!(
            values().substitute(&run),
            [
                "/build/target/release/axum",
                "--listen=127.0.0.1:20017",
                "22",
                "/src/servers/axum",
                "{port}",
                "plain",
                "}{",
            ]
        );
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_whole_argument(argument in "[{}a-z]{0,12}") {
            prop_assert_eq!(pieces(&argument).collect::<String>(), argument);
        }
    }
}
