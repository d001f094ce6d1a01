//! A Markdown table that also reads well as plain text.

pub enum Align {
    Left,
    Right,
}

pub struct Table {
    head: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(head: impl IntoIterator<Item = (&'static str, Align)>) -> Self {
        Self {
            head: head.into_iter().map(|(title, align)| (title.to_owned(), align)).collect(),
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| escape(&cell)).collect());
    }

    /// The table, a newline after each line.
    pub fn render(&self) -> String {
        let widths: Vec<usize> = self
            .head
            .iter()
            .enumerate()
            .map(|(column, (title, _))| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                // The line below the head needs three characters in each column.
                cells.chain([title]).map(|cell| cell.chars().count()).fold(3, usize::max)
            })
            .collect();
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let columns = || self.head.iter().map(|(_, align)| align).zip(&widths);
        let pad = |cells: Vec<&str>| {
            let pad = |(cell, (align, width)): (&str, (&Align, &usize))| match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            };
            line(cells.into_iter().zip(columns()).map(pad).collect())
        };
        let rule = columns().map(|(align, width)| match align {
            Align::Left => "-".repeat(*width),
            Align::Right => format!("{}:", "-".repeat(width - 1)),
        });
        let mut text = pad(self.head.iter().map(|(title, _)| title.as_str()).collect());
        text += &line(rule.collect());
        for row in &self.rows {
            text += &pad(row.iter().map(String::as_str).collect());
        }
        text
    }
}

/// Text that stays in its cell, or its paragraph, whatever is in it.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '|' => escaped.push_str(r"\|"),
            '<' => escaped.push_str("&lt;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_cells_cannot_break_out() {
        let mut table = Table::new([("Server", Align::Left), ("n", Align::Right)]);
        table.row(["a|b".into(), "1".into()]);
        table.row(["c\nd".into(), "1,000".into()]);
        assert_eq!(
            table.render(),
            "\
| Server |     n |
| ------ | ----: |
| a\\|b   |     1 |
| c d    | 1,000 |
"
        );
    }
}
