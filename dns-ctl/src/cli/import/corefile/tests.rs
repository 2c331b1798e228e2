//! What is read, what is refused, and where.

use proptest::prelude::*;

use super::*;

fn variable(name: &str) -> Option<String> {
    match name {
        "ZONE" => Some("example.org".to_owned()),
        "SERVERS" => Some("10.0.0.1 10.0.0.2".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn files(importer: &str, pattern: &str) -> io::Result<Vec<NamedText>> {
    let text = match pattern {
        "two/*" => {
            return Ok(vec![
                ("two/a".into(), "a.example {\n errors\n}\n".to_owned()),
                ("two/b".into(), "b.example {\n import own\n}\n".to_owned()),
            ]);
        }
        "none/*" => return Ok(Vec::new()),
        "own" => format!("whoami {importer}\n"),
        "self" => "import self\n".to_owned(),
        _ => return Err(io::ErrorKind::NotFound.into()),
    };
    Ok(vec![(pattern.into(), text)])
}

fn read(text: &str) -> Result<Corefile, SyntaxError> {
    let surroundings = Surroundings {
        variable: &variable,
        files: &files,
    };
    parse("Corefile", text, &surroundings)
}

/// A tree in one line: `key key {directive argument {option;};}`.
fn shown(corefile: &Corefile) -> String {
    let blocks: Vec<_> = corefile
        .blocks
        .iter()
        .map(|block| {
            let keys: Vec<_> = block.keys.iter().map(|key| key.text.as_str()).collect();
            format!("{} {{{}}}", keys.join(" "), lines(&block.directives))
        })
        .collect();
    blocks.join(" ")
}

fn lines(directives: &[Directive]) -> String {
    directives
        .iter()
        .map(|line| match line.options.as_slice() {
            [] => format!("{}:{};", line.place.line, line.line()),
            options => format!(
                "{}:{} {{{}}};",
                line.place.line,
                line.line(),
                lines(options)
            ),
        })
        .collect()
}

#[test]
fn trees_are_read() {
    for (case, text, expected) in [
        ("nothing", "# only a comment\n", ""),
        ("a block", ". {\n errors\n}\n", ". {2:errors;}"),
        (
            "several zones, over lines",
            "a.example:53, b.example\n{\n log\n}\nc.example,\nd.example {\n}",
            "a.example:53 b.example {3:log;} c.example d.example {}",
        ),
        (
            "no braces",
            "example.org:1053\nlog\ncache 30 {\n success 1\n}\n",
            "example.org:1053 {2:log;3:cache 30 {4:success 1;};}",
        ),
        (
            "braces of a directive",
            ". {\n cache\n {\n  success 10 }\n a { b { c 1\n d } }\n}\n",
            ". {2:cache {4:success 10;};5:a {5:b {5:c 1;6:d;};};}",
        ),
        (
            "quotes",
            ". {\n rewrite \"a { b\" \"}x\"\n}\n",
            ". {2:rewrite a { b }x;}",
        ),
        (
            "snippets",
            "(common) {\n errors\n cache {\n  success 1\n }\n}\n. {\n import common\n log\n}\nb {\n import common\n}\n",
            ". {2:errors;3:cache {4:success 1;};9:log;} b {2:errors;3:cache {4:success 1;};}",
        ),
        (
            "a snippet in a directive, and one in another",
            "(inner) {\n policy random\n}\n(outer) {\n import inner\n expire 1s\n}\n. {\n forward . 1.1.1.1 {\n  import outer\n }\n}\n",
            ". {9:forward . 1.1.1.1 {2:policy random;6:expire 1s;};}",
        ),
        (
            "variables",
            "{$ZONE}:{%EMPTY%}53 {\n forward . {$SERVERS} x{$EMPTY}y {$}\n}\n",
            "example.org:53 {2:forward . 10.0.0.1 10.0.0.2 xy {$};}",
        ),
        (
            "files, relative to the one that imports them",
            "import two/*\n. {\n import own\n}\n",
            "a.example {2:errors;} b.example {1:whoami two/b;} . {1:whoami Corefile;}",
        ),
    ] {
        assert_eq!(shown(&read(text).unwrap()), expected, "{case}");
    }
}

#[test]
fn an_import_of_nothing_is_told() {
    let corefile = read(". {\n errors\n import none/*\n}\n").unwrap();
    assert_eq!(shown(&corefile), ". {2:errors;}");
    let [import] = corefile.empty_imports.as_slice() else {
        panic!("{corefile:?}");
    };
    assert_eq!(
        (import.text.as_str(), import.place.line),
        ("import none/*", 3)
    );
}

#[test]
fn mistakes_are_told_with_their_place() {
    let deep = format!(". {{\n{}", "a {\n".repeat(40));
    for (text, place, word) in [
        (". {\n errors\n", "Corefile:1", "never ends"),
        (". {\n cache {\n success 1\n}\n", "Corefile:1", "never ends"),
        (". {\n log \"x\n}\n", "Corefile:2", "quotation"),
        (". {\n}\n}\n", "Corefile:3", "not `}`"),
        ("\n{\n errors\n}\n", "Corefile:2", "not `{`"),
        (".:53{\n errors\n}\n", "Corefile:1", "space"),
        ("a,\nb,\n", "Corefile:2", "comma"),
        ("a, {\n}\n", "Corefile:1", "comma"),
        (".\nlog\n}\n", "Corefile:3", "closes nothing"),
        ("(a) {\n}\n(a) {\n}\n", "Corefile:3", "second time"),
        ("(a)\nerrors\n", "Corefile:1", "braces"),
        ("(a) {\n errors\n", "Corefile:1", "never ends"),
        (". {\n import\n}\n", "Corefile:2", "one argument"),
        (". {\n import a b\n}\n", "Corefile:2", "one argument"),
        (
            ". {\n import nowhere\n}\n",
            "Corefile:2",
            "neither a snippet",
        ),
        (". {\n import self\n}\n", "self:1", "imports itself"),
        (
            "(a) {\n import a\n}\n. {\n import a\n}\n",
            "Corefile:2",
            "imports itself",
        ),
        (
            ". {\n errors\n forward . {$NOT_SET}\n}\n",
            "Corefile:3",
            "NOT_SET",
        ),
        (&deep, "Corefile:34", "deep"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{place}: ")), "{text}: {error}");
        assert!(error.contains(word), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "([a-z.:,(){}\"\\\\# \n$%]|import |\\{\\$ZONE\\}){0,60}") {
        let _ = read(&text);
    }
}
