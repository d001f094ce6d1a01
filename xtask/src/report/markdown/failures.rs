//! What could not be measured, and why.

use crate::report::plural;
use crate::report::table::escape;
use crate::results::record::Stage;
use crate::results::summary::Failure;

pub fn section(failures: &[Failure]) -> String {
    if failures.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n## Failures\n");
    for failure in failures {
        let stage = match failure.problem.stage {
            Stage::Requirements => "missing program",
            Stage::Build => "build",
            Stage::Start => "start",
            Stage::Verify => "conformance check",
            Stage::Measure => "measurement",
        };
        let load = failure.connections.map_or(String::new(), |connections| {
            format!(", {}", plural(connections, "connection"))
        });
        let when = match failure.rounds.as_slice() {
            [] => "not measured".to_owned(),
            [round] => format!("round {round}"),
            rounds => {
                let rounds: Vec<String> = rounds.iter().map(u32::to_string).collect();
                format!("rounds {}", rounds.join(", "))
            }
        };
        text += &format!(
            "\n- **{}**{load} ({when}, {stage}): {}\n",
            escape(&failure.of),
            escape(&failure.problem.message)
        );
        if !failure.problem.stderr_tail.is_empty() {
            text += "\n  The end of its standard error:\n\n";
            for line in failure.problem.stderr_tail.lines() {
                // Six spaces: a code block inside the list item, which nothing in the line can end.
                text += &format!("      {}\n", line.replace(char::is_control, " "));
            }
        }
    }
    text
}
