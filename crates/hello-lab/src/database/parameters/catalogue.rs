//! The parameters that the machine's PostgreSQL knows, from `postgres --describe-config`.

use std::collections::BTreeMap;

/// What a parameter's value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// On or off.
    Boolean,
    /// A whole number in PostgreSQL's unit for it, from and to.
    Integer(i64, i64),
    /// A number, from and to.
    Real(f64, f64),
    /// A text, or one of some words: PostgreSQL itself checks it.
    Text,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    /// Counts only from the next start of the server.
    pub(crate) is_static: bool,
    /// Its value.
    pub(crate) kind: Kind,
}

/// All parameters by name, in small letters as on RDS.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalogue(BTreeMap<String, Known>);

impl Catalogue {
    /// Reads the output of `postgres --describe-config`: name, context, group, type, boot value, minimum, maximum and
    /// descriptions, separated by tabs. Its boot values are not initialised and not used.
    pub(crate) fn read(output: &str) -> Catalogue {
        let mut known: BTreeMap<_, _> = output.lines().filter_map(read_line).collect();
        for (name, is_static, kind) in OF_LIBRARIES {
            known.insert((*name).to_owned(), Known { is_static: *is_static, kind: kind.clone() });
        }
        Catalogue(known)
    }

    /// The parameter of this name, whatever its capitals.
    pub(crate) fn find(&self, name: &str) -> Option<&Known> {
        self.0.get(&name.to_ascii_lowercase())
    }
}

/// Parameters of libraries that RDS lets be preloaded and Debian's PostgreSQL has; the server knows them only once the
/// library is loaded.
///
/// <https://www.postgresql.org/docs/15/pgstatstatements.html>, <https://www.postgresql.org/docs/15/auto-explain.html>
const OF_LIBRARIES: &[(&str, bool, Kind)] = &[
    ("pg_stat_statements.max", true, Kind::Integer(100, i32::MAX as i64 / 2)),
    ("pg_stat_statements.track", false, Kind::Text),
    ("pg_stat_statements.track_utility", false, Kind::Boolean),
    ("pg_stat_statements.track_planning", false, Kind::Boolean),
    ("pg_stat_statements.save", false, Kind::Boolean),
    ("auto_explain.log_min_duration", false, Kind::Integer(-1, i32::MAX as i64)),
    ("auto_explain.log_analyze", false, Kind::Boolean),
    ("auto_explain.log_buffers", false, Kind::Boolean),
    ("auto_explain.log_format", false, Kind::Text),
    ("auto_explain.log_level", false, Kind::Text),
    ("auto_explain.log_nested_statements", false, Kind::Boolean),
    ("auto_explain.log_timing", false, Kind::Boolean),
    ("auto_explain.log_triggers", false, Kind::Boolean),
    ("auto_explain.log_verbose", false, Kind::Boolean),
    ("auto_explain.sample_rate", false, Kind::Real(0.0, 1.0)),
];

fn read_line(line: &str) -> Option<(String, Known)> {
    let fields: Vec<_> = line.split('\t').collect();
    let [name, context, _group, kind, _boot, minimum, maximum, ..] = fields.as_slice() else { return None };
    let kind = match *kind {
        "BOOLEAN" => Kind::Boolean,
        "INTEGER" => Kind::Integer(minimum.parse().ok()?, maximum.parse().ok()?),
        "REAL" => Kind::Real(minimum.parse().ok()?, maximum.parse().ok()?),
        "STRING" | "ENUM" => Kind::Text,
        _ => return None,
    };
    Some((name.to_ascii_lowercase(), Known { is_static: *context == "postmaster", kind }))
}

#[cfg(test)]
pub(crate) const OUTPUT: &str = "\
TimeZone\tuser\tLocale\tSTRING\tGMT\t\t\tSets the time zone.\t
log_lock_waits\tsuperuser\tWhat to Log\tBOOLEAN\tFALSE\t\t\tLogs long lock waits.\t
log_min_duration_statement\tsuperuser\tWhen to Log\tINTEGER\t0\t-1\t2147483647\tSets the minimum.\tZero prints all.
max_connections\tpostmaster\tConnection Settings\tINTEGER\t0\t1\t262143\tSets the maximum.\t
listen_addresses\tpostmaster\tConnection Settings\tSTRING\tlocalhost\t\t\tSets the host name.\t
random_page_cost\tuser\tPlanner\tREAL\t0\t0\t1.79769e+308\tSets the estimate.\t
shared_preload_libraries\tpostmaster\tPreloading\tSTRING\t\t\t\tLists libraries.\t
wal_level\tpostmaster\tWrite-Ahead Log\tENUM\treplica\t\t\tSets the level.\t
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_describe_config_are_understood() {
        let catalogue = Catalogue::read(OUTPUT);
        assert_eq!(catalogue.find("timezone"), Some(&Known { is_static: false, kind: Kind::Text }));
        assert_eq!(
            catalogue.find("max_connections"),
            Some(&Known { is_static: true, kind: Kind::Integer(1, 262_143) })
        );
        assert!(matches!(catalogue.find("random_page_cost").unwrap().kind, Kind::Real(..)));
        assert!(catalogue.find("pg_stat_statements.max").unwrap().is_static);
        assert_eq!(catalogue.find("no_such_parameter"), None);
        assert!(Catalogue::read("nonsense\n\t\t\n").find("nonsense").is_none());
    }
}
