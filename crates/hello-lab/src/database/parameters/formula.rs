//! RDS's formulas for integer parameters: `{DBInstanceClassMemory/9531392}`, `LEAST({...},5000)`.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ParamValuesRef.html>. Boolean and `log` expressions of
//! that page are not modelled and refused.

/// What formulas are made of. 0 stands for what the lab does not know.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Variables {
    /// `AllocatedStorage`, bytes.
    pub(crate) allocated_storage: u64,
    /// `DBInstanceClassMemory`, bytes.
    pub(crate) memory: u64,
    /// `DBInstanceVCPU`.
    pub(crate) vcpus: u64,
    /// `EndPointPort`.
    pub(crate) port: u64,
}

/// An instance as any: for formulas of which only the words count.
pub(super) const SOME: Variables =
    Variables { allocated_storage: 20 << 30, memory: 1 << 30, vcpus: 2, port: 5432 };

/// Does the value have to be computed first?
pub(super) fn is_formula(value: &str) -> bool {
    value.contains(['{', '('])
}

/// The integer that a value comes to, or what is wrong with it.
pub(super) fn evaluate(value: &str, variables: &Variables) -> Result<i128, String> {
    let mut parser = Parser { rest: value.trim(), variables };
    let result = parser.value(0)?;
    if parser.rest.trim().is_empty() { Ok(result) } else { Err(unknown(parser.rest)) }
}

/// Functions within functions. RDS documents one level; the bound keeps any input from exhausting the stack.
const MAX_DEPTH: u8 = 8;

fn unknown(rest: &str) -> String {
    format!("the lab does not understand {:?} in the formula", rest.trim())
}

struct Parser<'a> {
    rest: &'a str,
    variables: &'a Variables,
}

impl<'a> Parser<'a> {
    /// An integer, a formula in braces, or a function of such.
    fn value(&mut self, depth: u8) -> Result<i128, String> {
        if self.takes("{") {
            let value = self.formula()?;
            return if self.takes("}") { Ok(value) } else { Err(unknown(self.rest)) };
        }
        let word = self.word();
        if let Ok(number) = word.parse::<i64>() {
            return Ok(number.into());
        }
        let combine: fn(&[i128]) -> Option<i128> = match word.to_ascii_uppercase().as_str() {
            "GREATEST" => |values| values.iter().copied().max(),
            "LEAST" => |values| values.iter().copied().min(),
            "SUM" => |values| values.iter().try_fold(0_i128, |sum, value| sum.checked_add(*value)),
            _ => return Err(unknown(&format!("{word}{}", self.rest))),
        };
        if depth >= MAX_DEPTH || !self.takes("(") {
            return Err(unknown(self.rest));
        }
        let mut values = vec![self.value(depth + 1)?];
        while self.takes(",") {
            values.push(self.value(depth + 1)?);
        }
        if !self.takes(")") {
            return Err(unknown(self.rest));
        }
        combine(&values).ok_or_else(|| "the formula's result is too large".to_owned())
    }

    /// A variable, then multiplications and divisions from left to right. Quotients are truncated.
    fn formula(&mut self) -> Result<i128, String> {
        let mut result = self.variable()?;
        loop {
            let divides = self.takes("/");
            if !divides && !self.takes("*") {
                return Ok(result);
            }
            let word = self.word();
            let number = word.parse::<i64>().map_err(|_| unknown(&format!("{word}{}", self.rest)))?;
            let next =
                if divides { result.checked_div(number.into()) } else { result.checked_mul(number.into()) };
            result =
                next.ok_or_else(|| "the formula divides by zero, or its result is too large".to_owned())?;
        }
    }

    fn variable(&mut self) -> Result<i128, String> {
        let word = self.word();
        if let Ok(number) = word.parse::<i64>() {
            return Ok(number.into());
        }
        let value = match word {
            "AllocatedStorage" => self.variables.allocated_storage,
            "DBInstanceClassMemory" => self.variables.memory,
            "DBInstanceVCPU" => self.variables.vcpus,
            "EndPointPort" => self.variables.port,
            _ => return Err(unknown(&format!("{word}{}", self.rest))),
        };
        if value == 0 {
            Err(format!("the lab does not know the {word} of this instance"))
        } else {
            Ok(value.into())
        }
    }

    fn takes(&mut self, symbol: &str) -> bool {
        let Some(rest) = self.rest.trim_start().strip_prefix(symbol) else { return false };
        self.rest = rest;
        true
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest.trim_start();
        let end =
            rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_of_the_default_groups_are_computed_as_rds_documents_them() {
        for (formula, value) in [
            ("LEAST({DBInstanceClassMemory/9531392},5000)", 112),
            ("{DBInstanceClassMemory/32768}", 32768),
            ("GREATEST({DBInstanceClassMemory*1024/63963136},65536)", 65536),
            ("{DBInstanceClassMemory*3/4}", 805_306_368),
            ("sum({DBInstanceVCPU}, 6)", 8),
            (" { EndPointPort } ", 5432),
            ("LEAST(GREATEST(1,2),{AllocatedStorage})", 2),
        ] {
            assert_eq!(evaluate(formula, &SOME), Ok(value), "{formula}");
        }
    }

    #[test]
    fn what_is_no_such_formula_is_refused_with_the_part_that_is_wrong() {
        for (formula, part) in [
            ("{DBInstanceVCPU} > 2", "> 2"),
            ("{log(DBInstanceClassMemory/8187281418)*1000}", "log"),
            ("{DBInstanceClassMemory/0}", "divides by zero"),
            ("{Memory}", "Memory"),
            ("LEAST()", "does not understand"),
            ("LEAST(1,2", "does not understand"),
            ("{DBInstanceClassMemory", "does not understand"),
            (
                "{DBInstanceClassMemory*9223372036854775807*9223372036854775807*9223372036854775807}",
                "too large",
            ),
        ] {
            let error = evaluate(formula, &SOME).unwrap_err();
            assert!(error.contains(part), "{formula}: {error}");
        }
        let deep = "LEAST(".repeat(10_000);
        evaluate(&deep, &SOME).unwrap_err();
    }

    #[test]
    fn a_variable_that_the_lab_does_not_know_is_named() {
        let error = evaluate("{DBInstanceClassMemory/9531392}", &Variables::default()).unwrap_err();
        assert_eq!(error, "the lab does not know the DBInstanceClassMemory of this instance");
    }
}
