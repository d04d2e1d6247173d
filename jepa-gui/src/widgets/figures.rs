//! Numbers as people read them.

/// A number with the digits that matter: "0.0015", "1.2e-7", "3500".
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let size = value.abs();
    if value == 0.0 || (1e-4..1e7).contains(&size) {
        // Six digits, without the zeros behind them.
        let digits = if size >= 1.0 { 5 - (size.log10().floor() as i32).clamp(0, 5) } else { 6 };
        let text = format!("{value:.*}", digits.max(0) as usize);
        return if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    }
    format!("{value:.3e}").replacen(".000e", "e", 1)
}

/// A figure with three digits: "0.277", "13.6", "1.20e-5".
pub fn figure(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "–".to_owned(),
        0.0 => "0".to_owned(),
        v if !(1e-3..1e6).contains(&v) => format!("{value:.2e}"),
        v => format!("{value:.*}", (2 - v.log10().floor() as i32).max(0) as usize),
    }
}

/// A count: "512", "25.6 k", "1.20 M".
pub fn count(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        v if v >= 1e12 => (value / 1e12, " T"),
        v if v >= 1e9 => (value / 1e9, " G"),
        v if v >= 1e6 => (value / 1e6, " M"),
        v if v >= 1e4 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let digits = if unit.is_empty() || scaled.abs() >= 100.0 {
        0
    } else if scaled.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{scaled:.digits$}{unit}")
}

/// A rate of samples: "512 samples/s".
pub fn rate(value: f64) -> String {
    if !value.is_finite() || value <= 0.0 {
        return "–".to_owned();
    }
    let text = if value < 10.0 { format!("{value:.2}") } else { count(value) };
    format!("{text} samples/s")
}

/// A time span: "0.42 s", "3 min 20 s", "2 h 05 min", "3 d 4 h".
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "–".to_owned();
    }
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        _ if seconds < 10.0 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// A number of bytes: "38.1 MiB".
pub fn size(bytes: f64) -> String {
    let (scaled, unit) = match bytes {
        b if b >= 1024f64.powi(3) => (b / 1024f64.powi(3), "GiB"),
        b if b >= 1024f64.powi(2) => (b / 1024f64.powi(2), "MiB"),
        b => (b / 1024.0, "KiB"),
    };
    format!("{scaled:.1} {unit}")
}

/// How long ago a time in seconds since 1970 was: "just now", "5 min ago".
pub fn ago(time: u64, now: u64) -> String {
    match now.saturating_sub(time) {
        0..60 => "just now".to_owned(),
        s @ 60..3600 => format!("{} min ago", s / 60),
        s @ 3600..86_400 => format!("{} h ago", s / 3600),
        s => format!("{} d ago", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_what_matters() {
        for (value, text) in [
            (0.0, "0"),
            (0.0015, "0.0015"),
            (1e-6, "1e-6"),
            (1.25e-7, "1.250e-7"),
            (3500.0, "3500"),
            (0.996, "0.996"),
            (0.999_96, "0.99996"),
            (81.25, "81.25"),
            (123_456.7, "123457"),
            (-0.5, "-0.5"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(number(value), text, "{value}");
        }
        assert_eq!(
            [0.277_032, 13.581, 123_456.7, 1.2e-5, 0.0].map(figure),
            ["0.277", "13.6", "123457", "1.20e-5", "0"]
        );
        assert_eq!((count(512.0), count(25_600.0), count(1.2e6)), ("512".into(), "25.6 k".into(), "1.20 M".into()));
    }

    #[test]
    fn times_are_durations() {
        for (seconds, text) in
            [(0.042, "42 ms"), (3.21, "3.2 s"), (59.0, "59 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 05 min")]
        {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(ago(100, 400), "5 min ago");
    }
}
