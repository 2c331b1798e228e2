//! The tables of hits, misses and drops in docs/datapath.md, held against the lists in dns-common.

use std::fmt::Write as _;

use dns_common::{Dropped, Hit, Miss};

/// The page that has the tables.
pub(super) const PAGE: &str = "docs/datapath.md";

/// A table that the page has to have: label and sentence of each row, in the order of the enum.
struct Table {
    /// Heading of its first column.
    kind: &'static str,
    /// Heading of its last one, where there is no table yet.
    last: &'static str,
    rows: Vec<(&'static str, &'static str)>,
}

/// A row as the page has it.
struct Row<'p> {
    label: &'p str,
    text: &'p str,
    last: &'p str,
}

/// What is wrong with the page's tables; each fault ends with the rows as they should be.
pub(super) fn faults(page: &str) -> Vec<String> {
    tables()
        .iter()
        .filter_map(|table| table.fault(page))
        .collect()
}

fn tables() -> [Table; 3] {
    let hits = Hit::ALL.iter().map(|hit| (hit.label(), hit.text()));
    let misses = Miss::ALL.iter().map(|miss| (miss.label(), miss.text()));
    let drops = Dropped::ALL.iter().map(|it| (it.label(), it.text()));
    [
        Table {
            kind: "hit",
            last: "the answer",
            rows: hits.collect(),
        },
        Table {
            kind: "miss",
            last: "where it goes on, and what to do",
            rows: misses.collect(),
        },
        Table {
            kind: "drop",
            last: "when, and what to do",
            rows: drops.collect(),
        },
    ]
}

impl Table {
    fn fault(&self, page: &str) -> Option<String> {
        let found = self.read(page);
        let wrong = found
            .as_deref()
            .map_or_else(|| vec!["is missing".to_owned()], |rows| self.compare(rows));
        (!wrong.is_empty()).then(|| {
            format!(
                "the table `{}`: {}. It should read:\n{}",
                self.kind,
                wrong.join("; "),
                self.proper(found.as_deref().unwrap_or_default())
            )
        })
    }

    /// The rows of the page's table; `None` if it has none of this kind.
    fn read<'p>(&self, page: &'p str) -> Option<Vec<Row<'p>>> {
        let mut lines = page
            .lines()
            .map(str::trim)
            .skip_while(|line| Row::read(line).is_none_or(|row| row.label != self.kind));
        lines.next()?;
        // The second line of a table is the one that makes it a table.
        Some(lines.skip(1).map_while(Row::read).collect())
    }

    /// What is wrong with the rows of the page.
    fn compare(&self, rows: &[Row<'_>]) -> Vec<String> {
        let mut wrong = Vec::new();
        for &(label, text) in &self.rows {
            let mut same = rows.iter().filter(|row| row.label == label);
            match same.next() {
                None => wrong.push(format!("`{label}` is missing")),
                Some(row) if row.text != text => {
                    wrong.push(format!("`{label}` has another meaning in the code"));
                }
                Some(row) if row.last.is_empty() => {
                    wrong.push(format!("`{label}` has nothing in its last column"));
                }
                Some(_) => {}
            }
            if same.next().is_some() {
                wrong.push(format!("`{label}` is there twice"));
            }
        }
        let unknown = rows
            .iter()
            .filter(|row| self.rows.iter().all(|(label, _)| *label != row.label));
        wrong.extend(unknown.map(|row| format!("`{}` is not in the code", row.label)));
        let labels = rows.iter().map(|row| row.label);
        if wrong.is_empty() && !labels.eq(self.rows.iter().map(|(label, _)| *label)) {
            wrong.push("the rows are not in the order of the code".to_owned());
        }
        wrong
    }

    /// The table as it should be, with what the page says in the last column.
    fn proper(&self, rows: &[Row<'_>]) -> String {
        let mut proper = format!("| {} | meaning | {} |\n", self.kind, self.last);
        proper.push_str("| --- | --- | --- |\n");
        for (label, text) in &self.rows {
            let row = rows.iter().find(|row| row.label == *label);
            let last = row.map_or("", |row| row.last);
            let _written = writeln!(proper, "| `{label}` | {text} | {last} |");
        }
        proper
    }
}

impl<'p> Row<'p> {
    /// The row that a line is; `None` if it is none of three columns.
    fn read(line: &'p str) -> Option<Self> {
        let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        let mut columns = inner.splitn(3, '|').map(str::trim);
        Some(Self {
            label: columns.next()?.trim_matches('`'),
            text: columns.next()?,
            last: columns.next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page with both tables as they should be.
    fn page() -> String {
        let mut page = String::from("# Data path\n\nWords.\n");
        for table in tables() {
            page.push('\n');
            for line in table.proper(&[]).lines() {
                page.push_str(&line.replace("|  |", "| the server's |"));
                page.push('\n');
            }
            page.push_str("\nMore words.\n");
        }
        page
    }

    fn row(page: &str, label: &str) -> String {
        let begin = format!("| `{label}` |");
        let found = page.lines().find(|line| line.starts_with(&begin));
        format!("{}\n", found.unwrap())
    }

    #[test]
    fn tables_that_agree_have_no_fault() {
        assert_eq!(faults(&page()), Vec::<String>::new());
    }

    #[test]
    fn each_difference_is_found_and_the_proper_rows_are_given() {
        let page = page();
        let (torn, too_long) = (row(&page, "torn"), row(&page, "too_long"));
        let swapped = page.replace(&format!("{torn}{too_long}"), &format!("{too_long}{torn}"));
        let table = |kind: &str| format!("| {kind} | meaning |");
        for (name, changed, expected) in [
            (
                "a missing row",
                page.replace(&torn, ""),
                "`torn` is missing",
            ),
            (
                "a missing hit",
                page.replace(&row(&page, "ptr"), ""),
                "`ptr` is missing",
            ),
            (
                "a renamed row",
                page.replace("| `torn` |", "| `teared` |"),
                "`torn` is missing; `teared` is not in the code",
            ),
            (
                "a superfluous row",
                page.replace(
                    &torn,
                    &format!("{torn}| `late` | Came too late. | The server's. |\n"),
                ),
                "`late` is not in the code",
            ),
            (
                "a row twice",
                page.replace(&torn, &torn.repeat(2)),
                "`torn` is there twice",
            ),
            (
                "another meaning",
                page.replace(Miss::Torn.text(), "The entry was torn."),
                "`torn` has another meaning in the code",
            ),
            (
                "nothing to do",
                page.replace(&torn, &torn.replace("the server's", "")),
                "`torn` has nothing in its last column",
            ),
            (
                "another order",
                swapped,
                "the rows are not in the order of the code",
            ),
            (
                "no table",
                page.replace(&table("miss"), &table("misses")),
                "the table `miss`: is missing",
            ),
        ] {
            assert_ne!(changed, page, "{name}");
            let faults = faults(&changed);
            assert_eq!(faults.len(), 1, "{name}: {faults:?}");
            assert!(faults[0].contains(expected), "{name}: {}", faults[0]);
            let kind = |table: &&Table| faults[0].contains(&format!("`{}`: ", table.kind));
            let tables = tables();
            let table = tables.iter().find(kind).unwrap();
            for (label, text) in &table.rows {
                let proper = format!("\n| `{label}` | {text} |");
                assert!(faults[0].contains(&proper), "{name}: {label}");
            }
        }
    }

    #[test]
    fn what_the_page_says_in_the_last_column_is_kept() {
        let page = page();
        let changed = page.replace(&row(&page, "torn"), "");
        let fault = faults(&changed).remove(0);
        assert!(fault.contains(&row(&page, "too_long")), "{fault}");
    }
}
