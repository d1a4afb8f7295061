//! Exact decimal numbers.
//!
//! Terraform computes with 512-bit floating point and sends a number as an integer, as a double where the double is
//! exact, else as decimal text. All three become one normalised decimal here, so that equal numbers are equal values.

use std::{cmp::Ordering, fmt, str::FromStr};

/// Longer numbers than this are refused: 512 bits are 155 digits, so an honest peer sends far fewer.
const MAX_DIGITS: usize = 2_000;
/// Larger powers of ten are refused: writing such a number out would take its size in memory.
const MAX_EXPONENT: i64 = 5_000;

/// `digits` as a whole number, times ten to the `exponent`; neither leading nor trailing zeros, zero has no digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    digits: Box<str>,
    exponent: i32,
}

/// Why text or a double is no number here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not decimal text.
    #[error("not a decimal number")]
    Syntax,
    /// More digits or a larger power of ten than any real configuration has.
    #[error("the number is too long")]
    TooLong,
    /// Infinity or "not a number".
    #[error("the number is not finite")]
    NotFinite,
}

impl Number {
    /// The exact value of a double.
    pub fn from_f64(double: f64) -> Result<Number, NumberError> {
        if !double.is_finite() {
            return Err(NumberError::NotFinite);
        }
        // No double needs more than 1,074 places after the point.
        format!("{double:.1074}").parse()
    }

    /// The number as a 64-bit integer, where it is one.
    pub fn as_i64(&self) -> Option<i64> {
        let zeros = usize::try_from(self.exponent).ok()?;
        if self.digits.len() + zeros > 19 {
            return None;
        }
        format!("{}{}{}", if self.negative { "-" } else { "" }, self.digits_or_zero(), "0".repeat(zeros))
            .parse()
            .ok()
    }

    /// The number as a double, where the double is exact.
    pub fn as_exact_f64(&self) -> Option<f64> {
        let double = self.nearest_f64();
        (Number::from_f64(double).ok()? == *self).then_some(double)
    }

    /// The double closest to the number.
    pub fn nearest_f64(&self) -> f64 {
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{}e{}", self.digits_or_zero(), self.exponent).parse().unwrap_or(f64::NAN)
    }

    /// Is it a whole number?
    pub fn is_whole(&self) -> bool {
        self.exponent >= 0
    }

    fn digits_or_zero(&self) -> &str {
        if self.digits.is_empty() { "0" } else { &self.digits }
    }

    /// Where the decimal point stands, counted from the left end of the digits.
    fn magnitude(&self) -> i64 {
        i64::try_from(self.digits.len()).unwrap_or(i64::MAX).saturating_add(i64::from(self.exponent))
    }

    fn cmp_absolute(&self, other: &Number) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // Digits without trailing zeros compare as text once the points are aligned.
            (false, false) => {
                self.magnitude().cmp(&other.magnitude()).then_with(|| self.digits.cmp(&other.digits))
            }
        }
    }
}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Number, NumberError> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, power) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i64>().map_err(|_| NumberError::Syntax)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all: String = whole.chars().chain(fraction.chars()).collect();
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NumberError::Syntax);
        }
        let leading_cut = all.trim_start_matches('0');
        let digits = leading_cut.trim_end_matches('0');
        if digits.is_empty() {
            return Ok(Number::default());
        }
        let cut = leading_cut.len() - digits.len();
        let places = |length: usize| i64::try_from(length).map_err(|_| NumberError::TooLong);
        let exponent = power
            .checked_sub(places(fraction.len())?)
            .and_then(|sum| sum.checked_add(i64::try_from(cut).ok()?));
        let exponent = exponent.filter(|sum| sum.abs() <= MAX_EXPONENT).ok_or(NumberError::TooLong)?;
        if digits.len() > MAX_DIGITS {
            return Err(NumberError::TooLong);
        }
        let exponent = i32::try_from(exponent).map_err(|_| NumberError::TooLong)?;
        Ok(Number { negative, digits: digits.into(), exponent })
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        match usize::try_from(self.exponent) {
            Ok(zeros) => write!(f, "{}{}", self.digits_or_zero(), "0".repeat(zeros)),
            Err(_) => match usize::try_from(self.magnitude()) {
                Ok(point) if point > 0 => write!(f, "{}.{}", &self.digits[..point], &self.digits[point..]),
                _ => {
                    let zeros = usize::try_from(-self.magnitude()).unwrap_or(0);
                    write!(f, "0.{}{}", "0".repeat(zeros), self.digits)
                }
            },
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.cmp_absolute(other),
            (true, true) => other.cmp_absolute(self),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Number {
        number.to_string().parse().expect("the digits of an integer are a number")
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Number {
        number.to_string().parse().expect("the digits of an integer are a number")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn equal_numbers_are_equal_however_they_are_written() {
        for (left, right) in [("1", "1.0"), ("1e3", "1000"), ("0.10", "1e-1"), ("-0", "0"), ("00.5", "5E-1")]
        {
            assert_eq!(number(left), number(right), "{left} and {right}");
        }
    }

    #[test]
    fn text_survives_without_rounding() {
        for text in [
            "0.1",
            "123456789012345678901234567890",
            "-0.000123",
            "3.14159265358979323846264338327950288",
            "0",
        ] {
            assert_eq!(number(text).to_string(), text);
        }
    }

    #[test]
    fn only_an_exact_double_is_taken_for_exact() {
        assert_eq!(number("0.5").as_exact_f64(), Some(0.5));
        assert_eq!(number("0.1").as_exact_f64(), None);
        assert_eq!(Number::from_f64(0.1).unwrap().as_exact_f64(), Some(0.1));
        assert_eq!(Number::from_f64(f64::INFINITY), Err(NumberError::NotFinite));
    }

    #[test]
    fn integers_at_the_edge_of_64_bits_stay_exact() {
        assert_eq!(number("9223372036854775807").as_i64(), Some(i64::MAX));
        assert_eq!(number("-9223372036854775808").as_i64(), Some(i64::MIN));
        assert_eq!(number("9223372036854775808").as_i64(), None);
        assert_eq!(number("1.5").as_i64(), None);
        assert_eq!(Number::from(u64::MAX).to_string(), "18446744073709551615");
    }

    #[test]
    fn order_is_that_of_the_numbers() {
        let sorted = ["-10", "-9.5", "-0.1", "0", "0.09", "0.1", "1", "1.01", "9", "10", "1e20"];
        for pair in sorted.windows(2) {
            assert!(number(pair[0]) < number(pair[1]), "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn hostile_text_is_refused() {
        let huge = "9".repeat(MAX_DIGITS + 1);
        for text in
            ["", "-", ".", "1e", "1e99999999999999999999", "1e1000000", "0x10", "1_0", "NaN", "inf", &huge]
        {
            assert!(text.parse::<Number>().is_err(), "{text:.20}");
        }
    }
}
