//! Which servers and variants a command is about.

use super::{Manifest, suggest};

/// A name that is no server's or variant's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownName {
    #[error("there is no server `{name}`; {hint}")]
    Server { name: String, hint: String },
    #[error("no selected server has a variant `{name}`; {hint}")]
    Variant { name: String, hint: String },
}

/// The servers named, each with the variants named; an empty list of names means all.
///
/// A variant is named for all selected servers (`simd-json`) or for one (`axum/simd-json`). A
/// server without a named variant is left out.
pub fn select(
    all: Vec<Manifest>,
    servers: &[String],
    variants: &[String],
) -> Result<Vec<Manifest>, UnknownName> {
    let names: Vec<&str> = all.iter().map(|manifest| manifest.name.as_str()).collect();
    if let Some(unknown) = servers.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(UnknownName::Server {
            name: unknown.clone(),
            hint: suggest::hint(unknown, &names),
        });
    }
    let mut selected = all;
    selected.retain(|manifest| servers.is_empty() || servers.contains(&manifest.name));
    known_variants(&selected, variants)?;
    for manifest in &mut selected {
        let server = manifest.name.clone();
        manifest.variants.retain(|variant| {
            let full = format!("{server}/{}", variant.name);
            variants.is_empty()
                || variants.iter().any(|name| *name == variant.name || *name == full)
        });
    }
    selected.retain(|manifest| !manifest.variants.is_empty());
    Ok(selected)
}

fn known_variants(selected: &[Manifest], variants: &[String]) -> Result<(), UnknownName> {
    let mut short = Vec::new();
    let mut full = Vec::new();
    for manifest in selected {
        for variant in &manifest.variants {
            if !short.contains(&variant.name) {
                short.push(variant.name.clone());
            }
            full.push(format!("{}/{}", manifest.name, variant.name));
        }
    }
    for name in variants {
        let known = if name.contains('/') { &full } else { &short };
        if !known.contains(name) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            return Err(UnknownName::Variant {
                name: name.clone(),
                hint: suggest::hint(name, &known),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::manifest;
    use super::*;

    fn chosen(servers: &[&str], variants: &[&str]) -> Result<Vec<String>, String> {
        let all = vec![
            manifest("axum", &["serde_json", "simd-json"]),
            manifest("express", &["JSON"]),
            manifest("hyper", &["serde_json", "simd-json"]),
        ];
        let own = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let selected =
            select(all, &own(servers), &own(variants)).map_err(|error| error.to_string())?;
        Ok(selected
            .iter()
            .flat_map(|manifest| {
                let names = manifest.variants.iter().map(|variant| &variant.name);
                names.map(|name| format!("{}/{name}", manifest.name))
            })
            .collect())
    }

    #[test]
    fn names_narrow_what_is_chosen() {
        let table: [(&[&str], &[&str], &[&str]); 4] = [
            (
                &[],
                &[],
                &[
                    "axum/serde_json",
                    "axum/simd-json",
                    "express/JSON",
                    "hyper/serde_json",
                    "hyper/simd-json",
                ],
            ),
            (&["express"], &[], &["express/JSON"]),
            (&[], &["simd-json"], &["axum/simd-json", "hyper/simd-json"]),
            (&[], &["axum/simd-json", "JSON"], &["axum/simd-json", "express/JSON"]),
        ];
        for (servers, variants, expected) in table {
            let chosen = chosen(servers, variants).expect("every name is known");
            assert_eq!(chosen, expected, "{servers:?} {variants:?}");
        }
    }

    #[test]
    fn an_unknown_name_gets_a_suggestion() {
        let table: [(&[&str], &[&str], &str); 4] = [
            (&["axmu"], &[], "there is no server `axmu`; did you mean `axum`?"),
            (&["nginx"], &[], "there is no server `nginx`; there are `axum`, `express`, `hyper`"),
            (
                &[],
                &["simdjson"],
                "no selected server has a variant `simdjson`; did you mean `simd-json`?",
            ),
            (
                &["express"],
                &["axum/simd-json"],
                "no selected server has a variant `axum/simd-json`; there are `express/JSON`",
            ),
        ];
        for (servers, variants, expected) in table {
            let error = chosen(servers, variants).expect_err("a name is unknown");
            assert_eq!(error, expected);
        }
    }
}
