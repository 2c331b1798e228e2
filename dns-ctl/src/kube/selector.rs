//! Label selectors, in the form that kubectl and the API server take them.

use std::{collections::BTreeMap, fmt, str::FromStr};

use kube::core::{Expression, Selector, SelectorExt as _};

/// Longest name of a label, its prefix not counted, and longest value.
const MAX_PART: usize = 63;
/// Longest prefix of a label's name: a DNS name.
const MAX_PREFIX: usize = 253;

/// A label selector, such as `team=a,tier!=test`: requirements that all have to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector(Selector);

/// A text that is not a label selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a label selector: at character {place}, {problem}; write it as kubectl takes it, \
     such as 'team=a,tier!=test'"
)]
pub struct SelectorError {
    /// The whole text.
    text: String,
    /// Where it goes wrong, in characters from 1.
    place: usize,
    /// What is wrong there.
    problem: String,
}

impl LabelSelector {
    /// Whether an object with these labels is selected.
    ///
    /// `!=` and `notin` also select objects that do not have the label, as in Kubernetes.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.matches(labels)
    }
}

impl FromIterator<Expression> for LabelSelector {
    fn from_iter<I: IntoIterator<Item = Expression>>(expressions: I) -> Self {
        Self(expressions.into_iter().collect())
    }
}

impl FromStr for LabelSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let mut parser = Parser { text, at: 0 };
        parser.selector().map_err(|problem| SelectorError {
            text: text.to_owned(),
            place: text.get(..parser.at).unwrap_or(text).chars().count() + 1,
            problem,
        })
    }
}

/// The form sent to the API server.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads a selector from the left; `at` is where the next token begins, or the faulty one.
struct Parser<'t> {
    text: &'t str,
    at: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Token<'t> {
    /// A name, a value, or one of the words `in` and `notin`.
    Word(&'t str),
    /// An operator or a sign between parts.
    Sign(&'static str),
    End,
}

/// The longest first, so that `==` is not read as two signs.
const SIGNS: [&str; 9] = ["==", "!=", "=", "!", ",", "(", ")", "<", ">"];

impl<'t> Parser<'t> {
    fn selector(&mut self) -> Result<LabelSelector, String> {
        if self.peek() == Token::End {
            return Err(
                "a requirement is missing; leave the selector out to select all".to_owned(),
            );
        }
        let mut expressions = Vec::new();
        loop {
            expressions.push(self.requirement()?);
            match self.peek() {
                Token::End => return Ok(expressions.into_iter().collect()),
                Token::Sign(",") => self.skip(),
                other => return Err(expected("`,` or the end", other)),
            }
        }
    }

    fn requirement(&mut self) -> Result<Expression, String> {
        if self.peek() == Token::Sign("!") {
            self.skip();
            return self.key().map(Expression::DoesNotExist);
        }
        let key = self.key()?;
        match self.peek() {
            Token::End | Token::Sign(",") => Ok(Expression::Exists(key)),
            Token::Sign("=" | "==") => {
                self.skip();
                Ok(Expression::Equal(key, self.value()?))
            }
            Token::Sign("!=") => {
                self.skip();
                Ok(Expression::NotEqual(key, self.value()?))
            }
            Token::Word("in") => {
                self.skip();
                // A set of one is written as one: the client library would write a set of the empty
                // value as `()`, which the API server refuses.
                Ok(match self.set()? {
                    Set::One(value) => Expression::Equal(key, value),
                    Set::Several(values) => Expression::In(key, values.into_iter().collect()),
                })
            }
            Token::Word("notin") => {
                self.skip();
                Ok(match self.set()? {
                    Set::One(value) => Expression::NotEqual(key, value),
                    Set::Several(values) => Expression::NotIn(key, values.into_iter().collect()),
                })
            }
            Token::Sign(sign @ ("<" | ">")) => Err(format!("`{sign}` is not supported")),
            other => Err(expected("`=`, `!=`, `in`, `notin` or `,`", other)),
        }
    }

    /// The values between parentheses; an empty place between commas is the empty value.
    fn set(&mut self) -> Result<Set, String> {
        match self.peek() {
            Token::Sign("(") => self.skip(),
            other => return Err(expected("`(`", other)),
        }
        if self.peek() == Token::Sign(")") {
            return Err("the set is empty".to_owned());
        }
        let mut values = Vec::new();
        loop {
            let value = match self.peek() {
                Token::Sign("," | ")") => String::new(),
                _ => self.value()?,
            };
            if !values.contains(&value) {
                values.push(value);
            }
            match self.peek() {
                Token::Sign(",") => self.skip(),
                Token::Sign(")") => {
                    self.skip();
                    break;
                }
                other => return Err(expected("`,` or `)`", other)),
            }
        }
        Ok(if values.len() == 1 {
            Set::One(values.remove(0))
        } else {
            Set::Several(values)
        })
    }

    fn key(&mut self) -> Result<String, String> {
        match self.peek() {
            Token::Word(word) => {
                check_key(word)?;
                self.skip();
                Ok(word.to_owned())
            }
            other => Err(expected("the name of a label", other)),
        }
    }

    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            Token::Word(word) if is_part(word) => {
                self.skip();
                Ok(word.to_owned())
            }
            Token::Word(word) => Err(format!("`{word}` is not a label's value: {PART_RULE}")),
            Token::End | Token::Sign(",") => Ok(String::new()),
            sign @ Token::Sign(_) => Err(expected("a label's value", sign)),
        }
    }

    /// The next token; afterwards `at` is its beginning.
    fn peek(&mut self) -> Token<'t> {
        let rest = self.rest();
        let token = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.at += rest.len() - token.len();
        if token.is_empty() {
            return Token::End;
        }
        if let Some(sign) = SIGNS.into_iter().find(|sign| token.starts_with(sign)) {
            return Token::Sign(sign);
        }
        let ends = |letter: char| " \t\r\n=!,()<>".contains(letter);
        Token::Word(&token[..token.find(ends).unwrap_or(token.len())])
    }

    fn skip(&mut self) {
        self.at += match self.peek() {
            Token::Word(text) | Token::Sign(text) => text.len(),
            Token::End => 0,
        };
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }
}

enum Set {
    One(String),
    /// Each once.
    Several(Vec<String>),
}

const PART_RULE: &str =
    "at most 63 letters, digits, `-`, `_` and `.`, a letter or digit first and last";

fn expected(wanted: &str, found: Token<'_>) -> String {
    match found {
        Token::Word(text) | Token::Sign(text) => format!("{wanted} is expected, not `{text}`"),
        Token::End => format!("{wanted} is expected, but it ends"),
    }
}

/// Checks the name of a label: an optional DNS name, `/`, and a name.
fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
        return Err(format!(
            "`{key}` is not the name of a label: before `/` goes a lower-case DNS name"
        ));
    }
    if is_part(name) {
        Ok(())
    } else {
        Err(format!(
            "`{key}` is not the name of a label: {PART_RULE}, and a DNS name and `/` before it if need be"
        ))
    }
}

/// Whether `text` may be a label's name or its non-empty value.
fn is_part(text: &str) -> bool {
    let is_edge = |letter: Option<&u8>| letter.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= MAX_PART
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes
            .iter()
            .all(|letter| letter.is_ascii_alphanumeric() || b"-_.".contains(letter))
}

/// Whether `text` is a lower-case DNS name (RFC 1123), without a dot at its end.
fn is_subdomain(text: &str) -> bool {
    let is_letter = |letter: &u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    text.len() <= MAX_PREFIX
        && text.split('.').map(str::as_bytes).all(|label| {
            label.first().is_some_and(is_letter)
                && label.last().is_some_and(is_letter)
                && label
                    .iter()
                    .all(|letter| is_letter(letter) || *letter == b'-')
        })
}

#[cfg(test)]
mod tests;
