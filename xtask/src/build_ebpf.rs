//! `cargo xtask build-ebpf`: builds the kernel object and shows what is in it.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};

use crate::{
    prerequisites::{self, Purpose},
    terminal,
    workspace::Workspace,
};

/// The size of a BPF instruction, in bytes.
const INSTRUCTION: u64 = 8;

/// Installs what is missing, builds, reports.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    prerequisites::ensure(workspace, Purpose::Build)?;
    let path = ebpf_object::build(&workspace.root, &workspace.target_dir, &[])?;
    report(&path)
}

/// Prints the object's path and size, and each function's instructions.
fn report(path: &Path) -> Result<()> {
    let content = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    let functions =
        functions(&content).with_context(|| format!("{} is not an ELF object", path.display()))?;
    println!("{} ({} bytes)", path.display(), content.len());
    let mut table = terminal::table(&["section", "function", "instructions"]);
    for function in functions {
        table.add_row([
            function.section,
            function.name,
            function.instructions.to_string(),
        ]);
    }
    println!("{table}");
    Ok(())
}

/// A function of an object: a program, if its section names a hook; a subprogram, if it is in `.text`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Function {
    section: String,
    name: String,
    instructions: u64,
}

/// The functions of an ELF object, by section.
fn functions(content: &[u8]) -> object::Result<Vec<Function>> {
    let file = object::File::parse(content)?;
    let mut functions = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
        .map(|symbol| {
            let section = match symbol.section_index() {
                Some(index) => file.section_by_index(index)?.name()?.to_owned(),
                None => String::new(),
            };
            Ok(Function {
                section,
                name: symbol.name()?.to_owned(),
                instructions: symbol.size() / INSTRUCTION,
            })
        })
        .collect::<object::Result<Vec<_>>>()?;
    functions.sort();
    Ok(functions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_an_object_are_found() {
        // This test program is an ELF object too; only the width of its instructions differs.
        let content = fs::read(std::env::current_exe().unwrap()).unwrap();
        let functions = functions(&content).unwrap();
        assert!(
            functions
                .iter()
                .any(|f| f.section == ".text" && f.name.contains("functions_of_an_object"))
        );
    }

    #[test]
    fn other_files_are_refused() {
        assert!(functions(b"not an object").is_err());
    }
}
