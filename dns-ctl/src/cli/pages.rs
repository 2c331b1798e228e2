//! `dns-ctl man` and `dns-ctl completions`: what the command line says of itself, for packages and shells.

use std::{fs, io, io::Write as _, path::Path};

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::{args::Cli, version::VERSION};

/// The program's name.
const NAME: &str = "dns-ctl";

/// What every command ends with.
const EXIT: [(&str, &str); 3] = [
    ("0", "It has done what was asked for."),
    (
        "1",
        "It could not; standard error tells why, and what to do about it.",
    ),
    (
        "2",
        "The command line, or what it and the environment ask for together, makes no sense; nothing was done.",
    ),
];

/// What 1 means beside that, by command.
const EXIT_ALSO: [(&str, &str); 3] = [
    ("check", "Or something would keep `run` from working here."),
    (
        "lookup",
        "Or the kernel holds nothing for the name and type.",
    ),
    ("trace", "Or the kernel passes the query on."),
];

/// Writes the manual pages into the folder, which is made if it is not there.
pub fn man(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    for (name, page) in pages()? {
        let path = folder.join(name);
        fs::write(&path, page).with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(())
}

/// Writes the completions of a shell to standard output.
pub fn completions(shell: Shell) -> anyhow::Result<()> {
    let script = String::from_utf8(script(shell)).context("completions are text")?;
    super::print(&script)?;
    Ok(())
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    script
}

/// The pages, with the names of their files: one for the program, one for each command.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    add_pages(&program, &mut pages)?;
    Ok(pages)
}

fn add_pages(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let man = Man::new(command.clone())
        .source(format!("kxdns {VERSION}"))
        .manual("kxdns Manual");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    write_exit_status(command.get_name(), &mut page)?;
    pages.push((man.get_filename(), page));
    for subcommand in command.get_subcommands() {
        add_pages(subcommand, pages)?;
    }
    Ok(())
}

fn write_exit_status(command: &str, page: &mut Vec<u8>) -> io::Result<()> {
    writeln!(page, ".SH \"EXIT STATUS\"")?;
    for (code, meaning) in EXIT {
        writeln!(page, ".TP\n\\fB{code}\\fR\n{meaning}")?;
        let also = EXIT_ALSO.iter().find(|(name, _)| *name == command);
        if let Some((_, also)) = also
            && code == "1"
        {
            writeln!(page, "{also}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_command_has_a_page_that_tells_its_flags_and_exit_codes() {
        let pages = pages().unwrap();
        let page = |name: &str| {
            let page = pages.iter().find(|(file, _)| file == name);
            let (_, page) = page.unwrap_or_else(|| panic!("no {name}"));
            String::from_utf8(page.clone()).unwrap()
        };
        for command in Cli::command().get_subcommands() {
            let text = page(&format!("{NAME}-{}.1", command.get_name()));
            assert!(text.contains("EXIT STATUS"), "{text}");
            for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
                let flag = flag.replace('-', "\\-");
                assert!(text.contains(&format!("\\-\\-{flag}")), "{flag} in {text}");
            }
            assert!(
                page("dns-ctl.1").contains(&format!("dns\\-ctl\\-{}(1)", command.get_name())),
                "the page of the program leads to {}",
                command.get_name()
            );
        }
        assert!(page("dns-ctl-import-corefile.1").contains("Corefile"));
        assert!(page("dns-ctl-trace.1").contains("Or the kernel passes the query on."));
        assert!(!page("dns-ctl-run.1").contains("Or the kernel"));
        assert!(page("dns-ctl-run.1").contains("KXDNS_LISTEN"));
        for (name, _) in EXIT_ALSO {
            assert!(Cli::command().find_subcommand(name).is_some(), "{name}");
        }
    }

    #[test]
    fn every_shell_is_told_every_command() {
        for &shell in Shell::value_variants() {
            let script = String::from_utf8(script(shell)).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(
                    script.contains(command.get_name()),
                    "{shell}: {}",
                    command.get_name()
                );
            }
        }
    }
}
