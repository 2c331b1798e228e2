//! The words of a Corefile: what is quoted, what is a comment, and where each word stands.

use std::{fmt, sync::Arc};

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    /// The file as it was named.
    pub(super) file: Arc<str>,
    /// The line, from 1.
    pub(super) line: u32,
}

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Without quotes and escapes.
    pub(super) text: String,
    /// Where it begins.
    pub(super) place: Place,
    /// Whether it is the first one in its line.
    pub(super) starts_line: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The words of `text`, as CoreDNS reads them; the error is where a quotation begins that never ends.
///
/// Quotes mean something only at the beginning of a word, a backslash only before a quote and within
/// quotes, and `#` begins a comment even in the middle of a word.
pub(super) fn tokens(file: &Arc<str>, text: &str) -> Result<Vec<Token>, Place> {
    let mut reader = Reader {
        characters: text.trim_start_matches('\u{feff}').chars().peekable(),
        file: Arc::clone(file),
        line: 1,
        starts_line: true,
    };
    let mut tokens = Vec::new();
    while let Some(token) = reader.next_token()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Reader<'t> {
    characters: std::iter::Peekable<std::str::Chars<'t>>,
    file: Arc<str>,
    line: u32,
    /// Whether the next word is the first one in its line.
    starts_line: bool,
}

impl Reader<'_> {
    fn next_token(&mut self) -> Result<Option<Token>, Place> {
        self.skip_space();
        let Some(&first) = self.characters.peek() else {
            return Ok(None);
        };
        let place = Place {
            file: Arc::clone(&self.file),
            line: self.line,
        };
        let starts_line = std::mem::replace(&mut self.starts_line, false);
        let text = if first == '"' {
            self.quoted().ok_or_else(|| place.clone())?
        } else {
            self.bare()
        };
        Ok(Some(Token {
            text,
            place,
            starts_line,
        }))
    }

    fn skip_space(&mut self) {
        while let Some(&character) = self.characters.peek() {
            if character == '#' {
                while self.characters.next_if(|&next| next != '\n').is_some() {}
            } else if character.is_whitespace() {
                self.characters.next();
                if character == '\n' {
                    self.line += 1;
                    self.starts_line = true;
                }
            } else {
                return;
            }
        }
    }

    fn bare(&mut self) -> String {
        let mut text = String::new();
        while let Some(character) = self
            .characters
            .next_if(|&next| next != '#' && !next.is_whitespace())
        {
            text.push(character);
        }
        text
    }

    /// `None` if the closing quote is missing.
    fn quoted(&mut self) -> Option<String> {
        self.characters.next();
        let mut text = String::new();
        loop {
            match self.characters.next()? {
                '"' => return Some(text),
                '\\' if self.characters.next_if_eq(&'"').is_some() => text.push('"'),
                character => {
                    self.line += u32::from(character == '\n');
                    text.push(character);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(String, u32, bool)> {
        tokens(&"f".into(), text)
            .unwrap()
            .into_iter()
            .map(|token| (token.text, token.place.line, token.starts_line))
            .collect()
    }

    #[test]
    fn words_and_where_they_stand() {
        for (case, text, expected) in [
            ("nothing", " \n\t\r\n", &[][..]),
            (
                "lines",
                "a b\n  c\r\nd",
                &[
                    ("a", 1, true),
                    ("b", 1, false),
                    ("c", 2, true),
                    ("d", 3, true),
                ],
            ),
            (
                "comments, also within a word",
                "# x\na#b c\n#\nd # e",
                &[("a", 2, true), ("d", 4, true)],
            ),
            (
                "quotes at the beginning of a word",
                r#""a # b" c"d" """#,
                &[("a # b", 1, true), (r#"c"d""#, 1, false), ("", 1, false)],
            ),
            (
                "escapes",
                r#""a\"b\c" \"d"#,
                &[(r#"a"b\c"#, 1, true), (r#"\"d"#, 1, false)],
            ),
            (
                "a quotation over lines",
                "a \"b\nc\" d\ne",
                &[
                    ("a", 1, true),
                    ("b\nc", 1, false),
                    ("d", 2, false),
                    ("e", 3, true),
                ],
            ),
            ("byte order mark", "\u{feff}a", &[("a", 1, true)]),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|&(text, line, starts)| (text.to_owned(), line, starts))
                .collect();
            assert_eq!(words(text), expected, "{case}");
        }
    }

    #[test]
    fn a_quotation_that_never_ends_is_placed() {
        let place = tokens(&"f".into(), "a\nb \"c\nd").unwrap_err();
        assert_eq!(place.to_string(), "f:2");
    }
}
