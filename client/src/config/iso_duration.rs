//! Durations as Java's properties have them: ISO 8601, days and smaller.

use std::time::Duration;

const UNITS: [(char, bool, u64); 4] = [('D', false, 86_400), ('H', true, 3_600), ('M', true, 60), ('S', true, 1)];

/// `PnDTnHnMn.nS`, each part at most once and in that order, at least one of them; 0 or more. As Java's
/// `Duration.parse` takes it, but for signs.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.to_ascii_uppercase();
    let mut rest = text.strip_prefix('P')?;
    let mut total = Duration::ZERO;
    let (mut is_time, mut is_empty) = (false, true);
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        if !is_time && let Some(time) = rest.strip_prefix('T') {
            (rest, is_time, is_empty) = (time, true, true);
            continue;
        }
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let mut nanos = 0;
        if let Some(fraction) = rest.strip_prefix(['.', ',']) {
            let len = fraction.find(|c: char| !c.is_ascii_digit())?;
            nanos = format!("{:0<9}", &fraction[..len]).parse().ok().filter(|_| len <= 9)?;
            rest = fraction[len..].strip_prefix('S').map(|_| &fraction[len..])?;
        }
        let unit = rest.chars().next()?;
        let (_, _, seconds) = units.find(|(letter, of_time, _)| (*letter, *of_time) == (unit, is_time))?;
        rest = &rest[1..];
        total = total.checked_add(Duration::new(number.checked_mul(*seconds)?, nanos))?;
        is_empty = false;
    }
    (!is_empty).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_java() {
        for (text, seconds) in [
            ("P1D", 86_400.0),
            ("PT1H", 3_600.0),
            ("P2DT3H4M5.5S", 183_845.5),
            ("pt0.000000001s", 1e-9),
            ("PT0S", 0.0),
            ("PT1.S", 1.0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        let malformed = [
            "",
            "P",
            "PT",
            "1D",
            "P1",
            "P1DT",
            "P1H",
            "PT1D",
            "PT1M1H",
            "P-1D",
            "PT-1S",
            "P1Y",
            "P1M",
            "P1W",
            "PT1.5H",
            "PTS",
            "PT1.0000000001S",
            "P99999999999999999999D",
            "P9999999999999999D",
            "P1Dx",
            "PT1é",
        ];
        for text in malformed {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
