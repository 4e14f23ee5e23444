//! A line of text as a record: `[HEADERS<TAB>][KEY<SEPARATOR>]VALUE`.

use std::borrow::Cow;

use memchr::memmem::Finder;
use ottla::Record;

/// How lines are laid out.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    /// What stands between key and value; None where lines have no key.
    pub(super) key_separator: Option<Finder<'static>>,
    /// Whether lines begin with headers.
    pub(super) headers: bool,
    /// What stands for null.
    pub(super) null: Option<Vec<u8>>,
}

impl Layout {
    /// Adds to `record` what `line` says.
    ///
    /// # Errors
    /// What the line lacks.
    pub(super) fn read<'a>(&self, line: &'a [u8], mut record: Record<'a>) -> Result<Record<'a>, Cow<'static, str>> {
        let mut rest = line;
        if self.headers {
            let end = memchr::memchr(b'\t', rest).ok_or("no tab ends the headers")?;
            record = self.read_headers(&rest[..end], record)?;
            rest = &rest[end + 1..];
        }
        if let Some(separator) = &self.key_separator {
            let end = separator.find(rest).ok_or_else(|| {
                format!("no `{}` separates key and value", String::from_utf8_lossy(separator.needle()).escape_debug())
            })?;
            if let Some(key) = self.not_null(&rest[..end]) {
                record = record.key(key);
            }
            rest = &rest[end + separator.needle().len()..];
        }
        Ok(match self.not_null(rest) {
            Some(value) => record.value(value),
            None => record,
        })
    }

    /// `name:value,name:value`, or nothing.
    fn read_headers<'a>(&self, text: &'a [u8], record: Record<'a>) -> Result<Record<'a>, Cow<'static, str>> {
        if text.is_empty() {
            return Ok(record);
        }
        text.split(|byte| *byte == b',').try_fold(record, |record, header| {
            let colon = memchr::memchr(b':', header).ok_or_else(|| {
                format!("the header `{}` is not `name:value`", String::from_utf8_lossy(header).escape_debug())
            })?;
            let (name, value) = (&header[..colon], &header[colon + 1..]);
            Ok(match self.not_null(value) {
                Some(value) => record.header(name, value),
                None => record.null_header(name),
            })
        })
    }

    fn not_null<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        Some(text).filter(|text| self.null.as_deref() != Some(text))
    }
}

/// A separator as it is typed: `\t`, `\0`, `\\` and `\xHH` stand for what they do in C.
pub(super) fn separator(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let (byte, length) = match escape.bytes().next() {
            Some(b't') => (Some(b'\t'), 1),
            Some(b'0') => (Some(0), 1),
            Some(b'\\') => (Some(b'\\'), 1),
            Some(b'x') => (escape.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok()), 3),
            _ => (None, 0),
        };
        bytes.push(byte.ok_or("after a backslash comes `t`, `0`, `\\` or `xHH`")?);
        rest = &escape[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    if bytes.is_empty() || bytes.contains(&b'\n') {
        Err("it must not be empty or end a line".into())
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layout(separator: Option<&str>, headers: bool, null: Option<&str>) -> Layout {
        Layout {
            key_separator: separator.map(|text| Finder::new(text.as_bytes()).into_owned()),
            headers,
            null: null.map(|text| text.as_bytes().to_vec()),
        }
    }

    fn empty() -> Record<'static> {
        Record::to("orders")
    }

    #[test]
    fn a_plain_line_is_a_value_even_when_it_is_empty() {
        let plain = layout(None, false, None);
        assert_eq!(plain.read(b"a:b\tc", empty()).unwrap(), empty().value("a:b\tc"));
        assert_eq!(plain.read(b"", empty()).unwrap(), empty().value(""));
    }

    #[test]
    fn the_key_ends_at_the_first_separator() {
        let keyed = layout(Some("::"), false, None);
        assert_eq!(keyed.read(b"k:1::v::w", empty()).unwrap(), empty().key("k:1").value("v::w"));
        assert_eq!(keyed.read(b"::", empty()).unwrap(), empty().key("").value(""));
        let problem = keyed.read(b"k:v", empty()).unwrap_err();
        assert_eq!(problem, "no `::` separates key and value");
    }

    #[test]
    fn headers_come_first_and_may_repeat() {
        let full = layout(Some("="), true, None);
        assert_eq!(
            full.read(b"h:1,h:2,g:a:b\tk=v", empty()).unwrap(),
            empty().header("h", "1").header("h", "2").header("g", "a:b").key("k").value("v")
        );
        assert_eq!(full.read(b"\tk=v", empty()).unwrap(), empty().key("k").value("v"));
        assert_eq!(full.read(b"k=v", empty()).unwrap_err(), "no tab ends the headers");
        assert_eq!(full.read(b"h\tk=v", empty()).unwrap_err(), "the header `h` is not `name:value`");
    }

    #[test]
    fn the_null_text_stands_for_no_key_no_value_and_a_null_header() {
        let nulls = layout(Some("="), true, Some("NULL"));
        assert_eq!(nulls.read(b"h:NULL\tNULL=NULL", empty()).unwrap(), empty().null_header("h"));
        assert_eq!(nulls.read(b"\tk=NULLS", empty()).unwrap(), empty().key("k").value("NULLS"));
    }

    #[test]
    fn separators_may_be_typed_as_escapes() {
        assert_eq!(separator(r"\t").unwrap(), b"\t");
        assert_eq!(separator(r"a\x1f\\\0b").unwrap(), b"a\x1f\\\0b");
        for wrong in ["", r"\q", r"\x1", r"\xzz", "\\", "\n", r"\x0a", "\\é"] {
            assert!(separator(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_joined_is_taken_apart_again(
            key in "[a-z\t,=]{0,8}",
            value in proptest::collection::vec(any::<u8>(), 0..20),
            headers in proptest::collection::vec(("[a-z]{1,5}", "[a-z:=]{0,5}"), 0..4),
        ) {
            let text: Vec<_> = headers.iter().map(|(name, value)| format!("{name}:{value}")).collect();
            let mut line = format!("{}\t{key}::", text.join(",")).into_bytes();
            line.extend_from_slice(&value);
            let expected = headers.iter().fold(empty(), |record, (name, value)| record.header(name, value));
            let read = layout(Some("::"), true, None);
            prop_assert_eq!(read.read(&line, empty()).unwrap(), expected.key(&key).value(&value));
        }

        #[test]
        fn any_line_is_read_or_refused(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = layout(Some(":"), true, Some("")).read(&line, empty());
        }
    }
}
