//! "Did you mean …?"

/// Below this similarity (Jaro-Winkler, 0 to 1) a suggestion is a guess that misleads.
const SIMILAR: f64 = 0.8;

/// The candidate that `word` was most likely meant to be.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// What to say after "there is no `word`": the near one, or else all there are.
pub fn hint(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if candidates.is_empty() => "there are none".to_owned(),
        None => format!("there are {}", list(candidates)),
    }
}

/// `` `a`, `b`, `c` ``
pub fn list<S: AsRef<str>>(names: &[S]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_a_prefix_and_a_lost_hyphen_find_their_word() {
        let names = ["axum", "actix-web", "hyper", "simd-json", "serde_json"];
        for (word, meant) in [("axmu", "axum"), ("actix", "actix-web"), ("simdjson", "simd-json")] {
            assert_eq!(nearest(word, names), Some(meant));
        }
    }

    #[test]
    fn a_word_that_is_like_none_gets_the_list() {
        assert_eq!(hint("zzz", &["axum", "hyper"]), "there are `axum`, `hyper`");
    }
}
