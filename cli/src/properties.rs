//! Java properties files: `key=value` lines, with comments, escapes and lines that go on.
//!
//! As `java.util.Properties` reads them, except that the file may be UTF-8; what is not, is Latin-1.

use std::borrow::Cow;
use std::fmt;

/// A line that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Malformed {
    /// Counted from 1; of an entry over several lines, the first.
    line: usize,
    problem: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

/// The entries of a file, in order; a key may come twice.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>, Malformed> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    logical_lines(&text)
        .into_iter()
        .map(|(line, entry)| {
            let (key, value) = split(&entry);
            let unescaped = |text| unescape(text).map_err(|problem| Malformed { line, problem });
            Ok((unescaped(key)?, unescaped(value)?))
        })
        .collect()
}

/// Entries with their first line's number: comments and blank lines left out, lines that end in `\` joined.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut entries = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    for (index, line) in text.split('\n').enumerate() {
        let line = line.trim_start_matches(is_blank);
        let (number, mut entry) = match open.take() {
            Some(open) => open,
            None if line.is_empty() || line.starts_with(['#', '!']) => continue,
            None => (index + 1, String::new()),
        };
        let backslashes = line.len() - line.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            entry.push_str(&line[..line.len() - 1]);
            open = Some((number, entry));
        } else {
            entry.push_str(line);
            entries.push((number, entry));
        }
    }
    entries.extend(open);
    entries
}

/// The key ends at the first `=`, `:` or blank that is not escaped.
fn split(entry: &str) -> (&str, &str) {
    let mut is_escaped = false;
    for (at, c) in entry.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' {
            is_escaped = true;
        } else if is_blank(c) || c == '=' || c == ':' {
            let rest = entry[at..].trim_start_matches(is_blank);
            let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (&entry[..at], rest.trim_start_matches(is_blank));
        }
    }
    (entry, "")
}

fn unescape(text: &str) -> Result<String, &'static str> {
    // In UTF-16, since `\u` escapes are: a character outside the basic plane takes two of them.
    let mut units = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let mut buffer = [0; 2];
    while let Some(c) = chars.next() {
        let plain = match c {
            '\\' => match chars.next() {
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let is_hex = digits.len() == 4 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
                    let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| is_hex);
                    units.push(unit.ok_or("`\\u` needs four hexadecimal digits")?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => continue,
            },
            plain => plain,
        };
        units.extend_from_slice(plain.encode_utf16(&mut buffer));
    }
    String::from_utf16(&units).map_err(|_| "a `\\u` escape is half a character")
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(text: &str) -> Vec<(String, String)> {
        parse(text.as_bytes()).unwrap()
    }

    fn one(text: &str) -> (String, String) {
        let found = entries(text);
        assert_eq!(found.len(), 1, "{text:?} gives {found:?}");
        found[0].clone()
    }

    #[test]
    fn the_separator_may_be_an_equals_sign_a_colon_or_a_blank() {
        for text in ["acks=all", "acks = all", "acks:all", "acks : all", "acks all", "  acks\tall", "acks\\\n  =all"] {
            assert_eq!(one(text), ("acks".into(), "all".into()), "{text:?}");
        }
        assert_eq!(one("a==b"), ("a".into(), "=b".into()));
        assert_eq!(one("acks"), ("acks".into(), String::new()));
    }

    #[test]
    fn comments_and_blank_lines_say_nothing_even_when_they_end_in_a_backslash() {
        let text = "# a comment \\\n! another\r\n\r\n   \t\n   # indented\nacks=1\r\nlinger.ms=5";
        assert_eq!(entries(text), [("acks".into(), "1".into()), ("linger.ms".into(), "5".into())]);
    }

    #[test]
    fn a_line_that_ends_in_an_odd_number_of_backslashes_goes_on() {
        assert_eq!(one("bootstrap.servers=a:1,\\\n    b:2").1, "a:1,b:2");
        assert_eq!(one("path=c:\\\\\\\n  x").1, "c:\\x");
        assert_eq!(entries("path=c:\\\\\nacks=1").len(), 2);
        assert_eq!(one("acks=1\\").1, "1");
    }

    #[test]
    fn escapes_stand_for_what_they_stand_for_in_java() {
        assert_eq!(one(r"a\=b\ c\:=\ \t\u00e9\uD83D\uDE00\q"), ("a=b c:".into(), " \té😀q".into()));
    }

    #[test]
    fn a_broken_escape_is_named_with_its_line() {
        let error = parse(b"# first\n\nssl.keystore.password=\\\n  \\u12x4").unwrap_err();
        assert_eq!(error.to_string(), "line 3: `\\u` needs four hexadecimal digits");
        assert!(parse(br"a=\uD83D").unwrap_err().to_string().contains("half a character"));
    }

    #[test]
    fn a_file_that_is_not_utf_8_is_latin_1() {
        assert_eq!(parse(b"a=\xe9").unwrap(), [("a".into(), "é".into())]);
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_is_written_as_java_writes_it_is_read_back(key in "\\PC{1,20}", value in "\\PC{0,20}") {
            let escape = |text: &str, all_blanks: bool| -> String {
                text.encode_utf16().enumerate().map(|(at, unit)| match char::from_u32(u32::from(unit)) {
                    Some(' ') if all_blanks || at == 0 => "\\ ".into(),
                    Some(c @ ('=' | ':' | '#' | '!' | '\\')) => format!("\\{c}"),
                    Some(c) if c.is_ascii_graphic() || c == ' ' => c.into(),
                    _ => format!("\\u{unit:04X}"),
                }).collect()
            };
            let file = format!("{}={}\n", escape(&key, true), escape(&value, false));
            prop_assert_eq!(entries(&file), [(key, value)]);
        }
    }
}
