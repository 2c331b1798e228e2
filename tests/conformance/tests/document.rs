//! The document and the code list the same rows.

use std::{fs, path::Path};

use conformance::row::Row;

const DOCUMENT: &str = "../../docs/compatibility.md";

#[test]
fn the_document_and_the_code_list_the_same_rows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let documented: Vec<_> = rows
        .map(|row| {
            let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 5, "{row}");
            assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
            cells[0].trim_matches('`')
        })
        .collect();
    assert_eq!(documented, Row::ALL.map(Row::id));
}
