//! Numbers, commands and CPUs as people read them.

/// A whole number with its thousands separated: `132,937`.
pub fn thousands(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number <= -0.5 {
        text.insert(0, '-');
    }
    text
}

/// `1 thread`, `2 threads`, `3 processes`.
pub fn plural(count: impl Into<f64>, noun: &str) -> String {
    let count = count.into();
    let ending = match noun {
        _ if count == 1.0 => "",
        _ if noun.ends_with('s') => "es",
        _ => "s",
    };
    format!("{} {noun}{ending}", thousands(count))
}

/// An argument vector as a shell takes it.
pub fn shell(arguments: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    let quoted = |argument: &String| {
        if !argument.is_empty() && argument.chars().all(plain) {
            argument.clone()
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    };
    arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// CPU numbers with their runs drawn together: `0-1, 4`.
pub fn cpus(numbers: &[usize]) -> String {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
        .chunk_by(|a, b| a + 1 == *b)
        .map(|run| match run {
            [first, .., last] => format!("{first}-{last}"),
            _ => run[0].to_string(),
        })
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (number, text) in [
            (0.0, "0"),
            (999.4, "999"),
            (999.5, "1,000"),
            (132_936.53, "132,937"),
            (1_000_000.0, "1,000,000"),
            (-1234.0, "-1,234"),
            (-0.2, "0"),
        ] {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(plural(0, "round"), "0 rounds");
        assert_eq!(plural(1, "process"), "1 process");
        assert_eq!(plural(2, "process"), "2 processes");
        assert_eq!(plural(20_000, "connection"), "20,000 connections");
    }

    #[test]
    fn commands_can_be_pasted() {
        let command = ["cargo", "--out", "my dir", "it's", ""].map(str::to_owned);
        assert_eq!(shell(&command), r"cargo --out 'my dir' 'it'\''s' ''");
    }

    #[test]
    fn cpu_runs_are_drawn_together() {
        assert_eq!(cpus(&[3, 0, 1, 2, 6]), "0-3, 6");
        assert_eq!(cpus(&[]), "");
        assert_eq!(cpus(&[usize::MAX - 1, usize::MAX]).split('-').count(), 2);
    }
}
