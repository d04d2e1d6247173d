//! Words and numbers of text files, with errors that show what was found.

/// The bytes of a text without a byte-order mark. UTF-16 and binary content are refused, so that a file of another
/// encoding is not misread.
pub(super) fn of(bytes: &[u8]) -> Result<&[u8], String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("is text in UTF-16: save it as UTF-8 or ASCII".into());
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    match bytes.iter().position(|b| *b == 0) {
        Some(at) => Err(format!("byte {at} is zero: expected text, found binary data")),
        None => Ok(bytes),
    }
}

/// The lines with their numbers, from 1. A line ends with LF, CR LF or, where the file has no LF, CR.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let end = if bytes.contains(&b'\n') { b'\n' } else { b'\r' };
    (1..).zip(bytes.split(move |b| *b == end)).map(|(number, line)| (number, line.trim_ascii()))
}

/// The line up to a comment sign.
pub(super) fn before(line: &[u8], sign: u8) -> &[u8] {
    let end = line.iter().position(|b| *b == sign).unwrap_or(line.len());
    line[..end].trim_ascii_end()
}

/// The words between white space.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// A finite number in f32 or f64.
pub(super) fn number<F: std::str::FromStr + Copy + Into<f64>>(word: &[u8]) -> Result<F, String> {
    let parsed = std::str::from_utf8(word).ok().and_then(|word| word.parse::<F>().ok());
    match parsed {
        Some(value) if value.into().is_finite() => Ok(value),
        Some(_) => Err(format!("{} is not a finite number", shown(word))),
        None => Err(format!("{} is not a number", shown(word))),
    }
}

/// A number that is not used: it need not be finite. C libraries print NaN as `nan`, `-nan` and `-nan(ind)`.
pub(super) fn skipped(word: &[u8]) -> Result<(), String> {
    let name = word.split(|b| *b == b'(').next().unwrap_or(word);
    let parsed = std::str::from_utf8(name).ok().and_then(|name| name.parse::<f64>().ok());
    match parsed {
        Some(value) if value.is_nan() || name == word => Ok(()),
        _ => Err(format!("{} is not a number", shown(word))),
    }
}

/// A whole number that is not negative.
pub(super) fn whole(word: &[u8]) -> Result<u64, String> {
    let parsed = std::str::from_utf8(word).ok().and_then(|word| word.parse::<u64>().ok());
    parsed.ok_or_else(|| format!("{} is not a whole number", shown(word)))
}

/// The next three words as a point.
pub(super) fn triple<'a>(words: &mut impl Iterator<Item = &'a [u8]>) -> Result<[f32; 3], String> {
    let mut point = [0.0; 3];
    for (axis, value) in ["x", "y", "z"].iter().zip(&mut point) {
        *value = number(words.next().ok_or_else(|| format!("{axis} is missing"))?)?;
    }
    Ok(point)
}

/// A word as a message shows it.
pub(super) fn shown(word: &[u8]) -> String {
    let head = String::from_utf8_lossy(&word[..word.len().min(40)]);
    format!("`{}{}`", head.escape_debug(), if word.len() > 40 { ".." } else { "" })
}

/// Adds the line to a problem.
pub(super) fn at(line: usize) -> impl Fn(String) -> String {
    move |problem| format!("line {line}: {problem}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_encodings_are_refused_and_a_byte_order_mark_is_skipped() {
        assert!(of(&[0xff, 0xfe, b'1', 0]).unwrap_err().contains("UTF-16"));
        assert!(of(b"12\0").unwrap_err().contains("byte 2 is zero"));
        assert_eq!(of(&[0xef, 0xbb, 0xbf, b'1']).unwrap(), b"1");
    }

    #[test]
    fn lines_end_as_on_every_system() {
        for text in [&b"1 2\n3"[..], b"1 2\r\n3", b"1 2\r3"] {
            let lines: Vec<_> = lines(text).collect();
            assert_eq!(lines, [(1, &b"1 2"[..]), (2, b"3")]);
        }
    }

    #[test]
    fn numbers_are_finite_or_an_error_that_shows_them() {
        assert_eq!(number::<f32>(b"-1.5e2").unwrap(), -150.0);
        for word in ["nan", "inf", "1e99", "-infinity"] {
            assert!(number::<f32>(word.as_bytes()).unwrap_err().contains("finite"));
        }
        assert!(number::<f32>(b"1,5").unwrap_err().contains("`1,5` is not a number"));
        assert!(number::<f64>(&[0xff; 99]).unwrap_err().len() < 300);
        assert!(whole(b"-1").is_err() && whole(b"1.0").is_err());
    }

    #[test]
    fn what_is_skipped_is_any_number_and_nothing_else() {
        for word in ["1", "-2.5e3", "nan", "NaN", "-nan", "-nan(ind)", "inf", "-Infinity", "1e999"] {
            assert_eq!(skipped(word.as_bytes()), Ok(()), "{word}");
        }
        for word in ["one", "1,5", "1(2)", "(nan)", "nano", "\u{e9}"] {
            assert!(skipped(word.as_bytes()).unwrap_err().contains("is not a number"), "{word}");
        }
    }
}
