//! The machine, as its fingerprint tells it.

use serde_json::Value;

use crate::report::table::Align::Left;
use crate::report::table::Table;

/// A fingerprint as a list, whatever is in it.
pub fn section(host: &Value) -> String {
    let mut lines = Vec::new();
    flatten("", host, &mut lines);
    if lines.is_empty() {
        return "Nothing is known of it.\n".into();
    }
    let mut table = Table::new([("What", Left), ("Value", Left)]);
    for (name, value) in lines {
        table.row([name, value]);
    }
    table.render()
}

fn flatten(name: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    let text = match value {
        Value::Null => "unknown".to_owned(),
        Value::Object(fields) => {
            for (key, value) in fields {
                let name = match name {
                    "" => key.clone(),
                    _ => format!("{name}.{key}"),
                };
                flatten(&name, value, lines);
            }
            return;
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    lines.push((name.to_owned(), text));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_host_is_listed_whatever_it_tells() {
        let text = section(&json!({"cpu": {"model": "X", "cores": [[0, 1]]}, "governor": null}));
        for part in ["| cpu.model | X ", "| cpu.cores | [[0,1]]", "| governor  | unknown"] {
            assert!(text.contains(part), "{part:?} not in {text}");
        }
        assert_eq!(section(&json!({})), "Nothing is known of it.\n");
    }
}
