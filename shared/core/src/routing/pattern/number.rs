//! Numbers as `EventBridge` compares them: as double-precision values, where the number as written is exactly what such
//! a value prints.
//!
//! A number with more digits than that (an account number of 20 digits, say) can be compared with nothing but its own
//! letters.

use std::cmp::Ordering;

/// A number that can be compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Comparable(f64);

impl Comparable {
    /// Reads a JSON number; `None` where it is beyond what can be compared.
    pub(super) fn read(text: &str) -> Option<Self> {
        let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
        // `{:e}` prints the fewest digits that read back as the same value.
        (decimal(text)? == decimal(&format!("{value:e}"))?).then_some(Self(value + 0.0))
    }

    pub(super) fn compare(self, other: Self) -> Ordering {
        // Neither is NaN, and adding zero made -0 into 0.
        self.0.total_cmp(&other.0)
    }
}

/// A decimal number's sign, digits without zeros at either end, and the power of ten of the last digit.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.trim_start_matches('+').parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |mantissa| (true, mantissa));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    let dropped = i64::try_from(digits.len() - significant.len()).ok()?;
    let fraction = i64::try_from(fraction.len()).ok()?;
    Some((negative, significant.to_owned(), exponent.checked_sub(fraction)?.checked_add(dropped)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_value_however_they_are_written() {
        for (a, b) in
            [("1", "1.0"), ("100", "1e2"), ("0", "-0"), ("0.1", "1E-1"), ("3.018e2", "301.8"), ("0", "0e999999999999")]
        {
            assert_eq!(Comparable::read(a), Comparable::read(b), "{a} {b}");
            assert!(Comparable::read(a).is_some(), "{a}");
        }
        let number = |text| Comparable::read(text).unwrap();
        assert_eq!(number("-5").compare(number("3")), Ordering::Less);
        assert_eq!(number("0.9179132681361435").compare(number("0.9179132681361435")), Ordering::Equal);
    }

    #[test]
    fn a_number_that_no_double_prints_is_not_comparable() {
        for text in ["9007199254740993", "1e400", "0.1000000000000000055511151231257827", "123456789012345678901"] {
            assert_eq!(Comparable::read(text), None, "{text}");
        }
        assert!(Comparable::read("9007199254740992").is_some());
    }
}
