//! A Corefile as a tree: server blocks, their directives, and the options of these.
//!
//! The syntax is that of the Caddyfile as CoreDNS uses it. Snippets and imported files stand where they are
//! imported, environment variables are replaced; nothing here knows what a directive means.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::Arc,
};

use super::token::{Place, Token, tokens};

/// How many imports there may be: one that imports itself never ends.
const MAX_IMPORTS: u32 = 1000;
/// How deep braces may be nested; CoreDNS needs two levels.
const MAX_DEPTH: u32 = 32;

/// What a Corefile says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Corefile {
    /// Its blocks, in order.
    pub(super) blocks: Vec<ServerBlock>,
    /// Imports of files of which there is none.
    pub(super) empty_imports: Vec<Key>,
}

/// A block of directives for some zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerBlock {
    /// The zones, as they are written: `example.org:1053`.
    pub(super) keys: Vec<Key>,
    /// What is to be done for them.
    pub(super) directives: Vec<Directive>,
}

/// Words that stand somewhere: a zone of a server block, or an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The text without a comma behind it.
    pub(super) text: String,
    /// Where it stands.
    pub(super) place: Place,
}

/// A line of a block: a directive, or an option of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    /// The first word.
    pub(super) name: String,
    /// The other words of the line.
    pub(super) arguments: Vec<String>,
    /// The lines between the braces behind it.
    pub(super) options: Vec<Directive>,
    /// Where it stands.
    pub(super) place: Place,
}

/// What a Corefile refers to outside itself.
pub(super) struct Surroundings<'a> {
    /// The value of an environment variable.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// The names and texts of the files that `import PATTERN` means in a file of that name.
    pub(super) files: &'a dyn Fn(&str, &str) -> io::Result<Vec<NamedText>>,
}

/// A file's name and its text.
pub(super) type NamedText = (Arc<str>, String);

/// Why a Corefile can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub(super) struct SyntaxError {
    /// Where.
    pub(super) place: Place,
    /// What is wrong there.
    pub(super) problem: Problem,
}

/// What can be wrong with the syntax.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("the quotation that begins here never ends; write `\"` behind it")]
    OpenQuotation,
    #[error("`{0}` opens a block that never ends; write `}}` in a line of its own behind it")]
    OpenBlock(String),
    #[error("braces are nested more than {MAX_DEPTH} deep here")]
    TooDeep,
    #[error("`}}` closes nothing; remove it, or give it a line of its own")]
    StrayBrace,
    #[error("a zone or a directive is wanted here, not `{0}`")]
    NoName(String),
    #[error("`{0}` ends in a brace; write a space before it")]
    BraceInKey(String),
    #[error("another zone is wanted behind the comma")]
    OpenComma,
    #[error("the snippet `{0}` is defined a second time; give it another name")]
    SecondSnippet(String),
    #[error("the snippet `{0}` has no braces behind its name")]
    BareSnippet(String),
    #[error("import takes one argument: a snippet's name, or a file")]
    ImportArguments,
    #[error("`{0}` is neither a snippet defined above nor a file that can be read ({1})")]
    Import(String, io::Error),
    #[error("more than {MAX_IMPORTS} imports: one of them imports itself")]
    EndlessImport,
    #[error(
        "the environment variable `{0}` is not set here; set it to what it is where CoreDNS runs"
    )]
    Variable(String),
}

impl Directive {
    /// The line as it could be written.
    pub(super) fn line(&self) -> String {
        let mut line = self.name.clone();
        for argument in &self.arguments {
            line.push(' ');
            line.push_str(argument);
        }
        line
    }
}

/// Reads the text of the file called `file`.
pub(super) fn parse(
    file: &str,
    text: &str,
    surroundings: &Surroundings<'_>,
) -> Result<Corefile, SyntaxError> {
    let mut parser = Parser {
        ahead: VecDeque::new(),
        snippets: HashMap::new(),
        empty_imports: Vec::new(),
        imports: 0,
        depth: 0,
        surroundings,
    };
    parser.ahead = lex(&file.into(), text)?.into();
    let mut blocks = Vec::new();
    while !parser.ahead.is_empty() {
        blocks.extend(parser.block()?);
    }
    Ok(Corefile {
        blocks,
        empty_imports: parser.empty_imports,
    })
}

fn lex(file: &Arc<str>, text: &str) -> Result<Vec<Token>, SyntaxError> {
    tokens(file, text).map_err(|place| Problem::OpenQuotation.at(&place))
}

impl Problem {
    fn at(self, place: &Place) -> SyntaxError {
        SyntaxError {
            place: place.clone(),
            problem: self,
        }
    }
}

struct Parser<'a> {
    ahead: VecDeque<Token>,
    snippets: HashMap<String, Vec<Token>>,
    empty_imports: Vec<Key>,
    imports: u32,
    depth: u32,
    surroundings: &'a Surroundings<'a>,
}

impl Parser<'_> {
    /// The next server block; `None` if a snippet was defined, or an import was empty.
    fn block(&mut self) -> Result<Option<ServerBlock>, SyntaxError> {
        let keys = self.keys()?;
        let Some(first) = keys.first() else {
            return match self.ahead.pop_front() {
                Some(stray) => Err(Problem::NoName(stray.text).at(&stray.place)),
                None => Ok(None),
            };
        };
        let opening = self.ahead.pop_front_if(|token| token.text == "{");
        if let Some(name) = snippet_name(&keys) {
            let Some(opening) = opening else {
                return Err(Problem::BareSnippet(name.to_owned()).at(&first.place));
            };
            let body = self.snippet_body(name, &opening.place)?;
            if self.snippets.insert(name.to_owned(), body).is_some() {
                return Err(Problem::SecondSnippet(name.to_owned()).at(&first.place));
            }
            return Ok(None);
        }
        // The only block of a file needs no braces.
        let opening = opening.map(|opening| (first.text.clone(), opening.place));
        let directives = self.lines(opening)?;
        Ok(Some(ServerBlock { keys, directives }))
    }

    /// The words before a block: those of one line, or of several if each but the last ends in a comma.
    fn keys(&mut self) -> Result<Vec<Key>, SyntaxError> {
        let mut keys = Vec::new();
        let mut after_comma: Option<Place> = None;
        loop {
            self.expand_import()?;
            let next = self.ahead.pop_front_if(|token| {
                let same_list = keys.is_empty() || after_comma.is_some() || !token.starts_line;
                same_list && token.text != "{" && token.text != "}"
            });
            let Some(token) = next else {
                return match after_comma {
                    Some(place) => Err(Problem::OpenComma.at(&place)),
                    None => Ok(keys),
                };
            };
            let text = self.replace_variables(&token)?;
            let key = text.strip_suffix(',').unwrap_or(&text);
            if key.ends_with('{') {
                return Err(Problem::BraceInKey(text).at(&token.place));
            }
            after_comma = text.ends_with(',').then(|| token.place.clone());
            if !key.is_empty() {
                keys.push(Key {
                    text: key.to_owned(),
                    place: token.place,
                });
            }
        }
    }

    /// The lines of a block up to its closing brace; `opening` is what opened it, `None`: up to the end.
    fn lines(&mut self, opening: Option<(String, Place)>) -> Result<Vec<Directive>, SyntaxError> {
        let mut lines = Vec::new();
        loop {
            self.expand_import()?;
            let Some(token) = self.ahead.pop_front() else {
                return match opening {
                    Some((name, place)) => Err(Problem::OpenBlock(name).at(&place)),
                    None => Ok(lines),
                };
            };
            match token.text.as_str() {
                "}" if opening.is_some() => return Ok(lines),
                "}" => return Err(Problem::StrayBrace.at(&token.place)),
                "{" => return Err(Problem::NoName(token.text).at(&token.place)),
                _ => lines.push(self.line(&token)?),
            }
        }
    }

    /// The rest of the line that begins with `first`, and the block behind it.
    fn line(&mut self, first: &Token) -> Result<Directive, SyntaxError> {
        let name = self.replace_variables(first)?;
        let mut arguments = Vec::new();
        while let Some(token) = self
            .ahead
            .pop_front_if(|token| !token.starts_line && token.text != "{" && token.text != "}")
        {
            arguments.push(self.replace_variables(&token)?);
        }
        let options = match self.ahead.pop_front_if(|token| token.text == "{") {
            Some(brace) if self.depth == MAX_DEPTH => {
                return Err(Problem::TooDeep.at(&brace.place));
            }
            Some(brace) => {
                self.depth += 1;
                let options = self.lines(Some((name.clone(), brace.place)))?;
                self.depth -= 1;
                options
            }
            None => Vec::new(),
        };
        Ok(Directive {
            name,
            arguments,
            options,
            place: first.place.clone(),
        })
    }

    /// The words up to the brace that closes a snippet, imports among them as they are.
    fn snippet_body(&mut self, name: &str, opening: &Place) -> Result<Vec<Token>, SyntaxError> {
        let mut body = Vec::new();
        let mut depth = 1;
        while let Some(token) = self.ahead.pop_front() {
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(body);
            }
            body.push(token);
        }
        Err(Problem::OpenBlock(format!("({name})")).at(opening))
    }

    /// Puts what is imported in the place of an `import` that comes next.
    fn expand_import(&mut self) -> Result<(), SyntaxError> {
        while let Some(import) = self
            .ahead
            .pop_front_if(|token| token.starts_line && token.text == "import")
        {
            let mut arguments = Vec::new();
            while let Some(token) = self.ahead.pop_front_if(|token| !token.starts_line) {
                arguments.push(token);
            }
            let [argument] = arguments.as_slice() else {
                return Err(Problem::ImportArguments.at(&import.place));
            };
            self.imports += 1;
            if self.imports > MAX_IMPORTS {
                return Err(Problem::EndlessImport.at(&import.place));
            }
            let what = self.replace_variables(argument)?;
            let mut imported = self.imported(&what, &import.place)?;
            if let Some(first) = imported.first_mut() {
                first.starts_line = true;
            }
            for token in imported.into_iter().rev() {
                self.ahead.push_front(token);
            }
        }
        Ok(())
    }

    fn imported(&mut self, what: &str, place: &Place) -> Result<Vec<Token>, SyntaxError> {
        if let Some(snippet) = self.snippets.get(what) {
            return Ok(snippet.clone());
        }
        let files = (self.surroundings.files)(&place.file, what)
            .map_err(|error| Problem::Import(what.to_owned(), error).at(place))?;
        if files.is_empty() {
            self.empty_imports.push(Key {
                text: format!("import {what}"),
                place: place.clone(),
            });
        }
        let mut imported = Vec::new();
        for (file, text) in files {
            imported.extend(lex(&file, &text)?);
        }
        Ok(imported)
    }

    /// The word with the values of `{$NAME}` and `{%NAME%}`.
    fn replace_variables(&self, token: &Token) -> Result<String, SyntaxError> {
        let mut rest = token.text.as_str();
        let mut text = String::new();
        while let Some((start, name, end)) = find_variable(rest) {
            let value = (self.surroundings.variable)(name)
                .ok_or_else(|| Problem::Variable(name.to_owned()).at(&token.place))?;
            text.push_str(&rest[..start]);
            text.push_str(&value);
            rest = &rest[end..];
        }
        text.push_str(rest);
        Ok(text)
    }
}

/// The first `{$NAME}` or `{%NAME%}`: where it begins, its name, and where it ends.
fn find_variable(text: &str) -> Option<(usize, &str, usize)> {
    text.match_indices('{').find_map(|(start, _)| {
        let (sign, end) = match text[start + 1..].chars().next()? {
            '$' => ("{$", "}"),
            '%' => ("{%", "%}"),
            _ => return None,
        };
        let (name, _) = text[start + sign.len()..].split_once(end)?;
        let length = sign.len() + name.len() + end.len();
        (!name.is_empty()).then_some((start, name, start + length))
    })
}

/// `NAME` if the only key is `(NAME)`.
fn snippet_name(keys: &[Key]) -> Option<&str> {
    let [key] = keys else {
        return None;
    };
    key.text.strip_prefix('(')?.strip_suffix(')')
}

#[cfg(test)]
mod tests;
