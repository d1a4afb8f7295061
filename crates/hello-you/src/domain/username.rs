//! A username: one letter of any script, followed by letters and combining marks.

use std::fmt;

use percent_encoding::percent_decode_str;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// A valid username in Unicode normalization form C, 1 to [`Username::MAX_CHARS`] characters.
///
/// The first character is a letter (general category L), the others are letters or combining marks (L, M), so that
/// names in scripts that need marks, such as Devanagari or Thai, are names too. Case matters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(Box<str>);

/// Why a text is not a username; the sentence is meant for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// The percent-decoded bytes are not UTF-8, or a `%` is not followed by two hexadecimal digits.
    #[error("The username is not valid percent-encoded UTF-8.")]
    Encoding,
    /// No character at all.
    #[error("The username is empty.")]
    Empty,
    /// More than [`Username::MAX_CHARS`] characters after normalization.
    #[error("The username has more than 50 characters.")]
    TooLong,
    /// A character that is neither a letter nor a combining mark, or a mark at the beginning.
    #[error("The username may only consist of letters, and of combining marks after a letter.")]
    NotALetter,
}

impl Username {
    /// The most characters (Unicode scalar values) a username has after normalization.
    pub const MAX_CHARS: usize = 50;

    /// Takes one raw path segment: percent-decodes it, normalizes it and checks it.
    pub fn from_path_segment(segment: &str) -> Result<Self, UsernameError> {
        if !segment.contains('%') {
            return Self::parse(segment);
        }
        if !has_only_complete_escapes(segment) {
            return Err(UsernameError::Encoding);
        }
        let decoded = percent_decode_str(segment).decode_utf8().map_err(|_| UsernameError::Encoding)?;
        Self::parse(&decoded)
    }

    /// Normalizes a text to NFC and checks it.
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        // Nearly all names are short ASCII: they are in NFC as they stand and need no table.
        if !text.is_empty() && text.len() <= Self::MAX_CHARS && text.bytes().all(|b| b.is_ascii_alphabetic())
        {
            return Ok(Self(text.into()));
        }
        let normalized: Box<str> = match is_nfc_quick(text.chars()) {
            IsNormalized::Yes => text.into(),
            IsNormalized::No | IsNormalized::Maybe => text.nfc().collect::<String>().into(),
        };
        let mut chars = normalized.chars();
        let first = chars.next().ok_or(UsernameError::Empty)?;
        if first.general_category_group() != GeneralCategoryGroup::Letter {
            return Err(UsernameError::NotALetter);
        }
        let mut length = 1;
        for c in chars {
            if !matches!(
                c.general_category_group(),
                GeneralCategoryGroup::Letter | GeneralCategoryGroup::Mark
            ) {
                return Err(UsernameError::NotALetter);
            }
            length += 1;
        }
        if length > Self::MAX_CHARS {
            return Err(UsernameError::TooLong);
        }
        Ok(Self(normalized))
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether each `%` begins a complete escape; the decoder would pass an incomplete one through.
fn has_only_complete_escapes(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    bytes.iter().enumerate().filter(|(_, b)| **b == b'%').all(|(at, _)| {
        bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// A name is personal data: debug output, which may reach a log, does not show it.
impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Username(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_many_scripts_are_accepted() {
        for name in ["Ana", "z", "Łukasz", "Ólafur", "अनिल", "สมชาย", "李雷", "Мария", "יוסף", "ʻOkina"]
        {
            assert_eq!(Username::parse(name).unwrap().as_str(), name, "{name}");
        }
    }

    #[test]
    fn what_is_not_a_name_is_refused_with_its_reason() {
        let cases = [
            ("", UsernameError::Empty),
            ("ana1", UsernameError::NotALetter),
            ("ana maria", UsernameError::NotALetter),
            ("ana-maria", UsernameError::NotALetter),
            ("..", UsernameError::NotALetter),
            ("a\0b", UsernameError::NotALetter),
            ("\u{301}a", UsernameError::NotALetter),
            ("🙂", UsernameError::NotALetter),
            ("a\u{200d}b", UsernameError::NotALetter),
        ];
        for (text, reason) in cases {
            assert_eq!(Username::parse(text), Err(reason), "{text:?}");
        }
    }

    #[test]
    fn decomposed_and_composed_spellings_are_one_name() {
        let composed = Username::parse("Zo\u{eb}").unwrap();
        let decomposed = Username::parse("Zoe\u{308}").unwrap();
        assert_eq!(composed, decomposed);
        assert_eq!(decomposed.as_str(), "Zo\u{eb}");
    }

    #[test]
    fn fifty_characters_are_counted_after_normalization() {
        assert!(Username::parse(&"a".repeat(50)).is_ok());
        assert_eq!(Username::parse(&"a".repeat(51)), Err(UsernameError::TooLong));
        assert!(Username::parse(&"e\u{308}".repeat(50)).is_ok());
        assert_eq!(Username::parse(&"e\u{308}".repeat(51)), Err(UsernameError::TooLong));
    }

    #[test]
    fn a_path_segment_is_percent_decoded_once() {
        assert_eq!(Username::from_path_segment("%41na").unwrap().as_str(), "Ana");
        assert_eq!(Username::from_path_segment("Zo%C3%AB").unwrap().as_str(), "Zo\u{eb}");
        assert_eq!(Username::from_path_segment("%2541na"), Err(UsernameError::NotALetter));
        assert_eq!(Username::from_path_segment("a%2Fb"), Err(UsernameError::NotALetter));
        assert_eq!(Username::from_path_segment("%FF"), Err(UsernameError::Encoding));
        assert_eq!(Username::from_path_segment("a%4"), Err(UsernameError::Encoding));
        assert_eq!(Username::from_path_segment("a%zz"), Err(UsernameError::Encoding));
    }

    #[test]
    fn debug_output_does_not_show_the_name() {
        assert_eq!(format!("{:?}", Username::parse("Ana").unwrap()), "Username(..)");
    }
}
