//! Renders `docs/CONFIGURATION.md` from the table of settings. `tests/configuration_doc.rs` fails when the file is stale.

use std::fmt::Write as _;

use super::table::{Command, DefaultValue, Given, SETTINGS, Setting};

const INTRODUCTION: &str = "\
# Configuration

<!-- Rendered from crates/hello-you/src/config/table.rs: UPDATE_GOLDEN=1 cargo test -p hello-you --test configuration_doc -->

Every setting has an environment variable, and most have a flag. A flag goes before a variable, a variable before the
default. `hello-you COMMAND --help` lists the settings of one command.

- **An empty variable is one that is not set**, so that a template may fill in nothing. An empty secret is an error, since
  a password or token that silently is none would be found too late.
- **Secrets** are taken from the variable itself, or from the file that the variable with `_FILE` names (one line break at
  its end is left out), never from a flag: the process list is public. Both together are an error. No message, log line or
  `Debug` output shows one.
- **Durations** have a unit (`1500ms`, `20s`, `2m`, `1h`) or are plain seconds; 24 hours at most.
- A setting that cannot be used ends the program with **exit code 64** and one line that names it. A failure at run time
  (a port in use, a damaged file) is exit code 1.
- A variable that begins with `HELLO_` and is no setting is only warned about: orchestrators add variables of their own.
- `NO_COLOR` is honoured.
";

const RULES: &str = "\
## What goes together

- `DATABASE_URL` or `DB_HOSTS`: with neither, users are kept in SQLite, and then no setting of PostgreSQL may be set.
- With `DATABASE_URL`, the user, password, database and ports stand in the URL: `DB_USER`, `DB_PASSWORD`, `DB_NAME` and
  `DB_PORT` are refused. `DB_FAR_HOSTS` is allowed and shares the URL's user, password and database.
- With `DB_HOSTS`, `DB_PASSWORD` is needed.
- `DB_SSLMODE` or the URL's `sslmode`, not both; `DB_CA_FILE`, `DB_CA_PEM` or the URL's `sslrootcert`, one at most, and
  only with verify-full. Unix sockets have no TLS, whatever is said.
- No host is named twice, whether near or far.
- `HELLO_DRAIN_DELAY` is shorter than `HELLO_SHUTDOWN_GRACE`.
- `HELLO_LISTEN` and `HELLO_ADMIN_LISTEN` differ.
- `HELLO_SERVE_ROLE` needs PostgreSQL and is not the user that migrates; `HELLO_SERVE_PASSWORD` needs `HELLO_SERVE_ROLE`.

In `DATABASE_URL`, the characters `/ ? # % :` in a user name or password are written percent-encoded (`%2F`, `%3F`, `%23`,
`%25`, `%3A`). Without a database in the URL, it is called like the user. A unix socket is given by its directory:
`postgres:///hello?host=/run/postgresql&user=hello`. Other parameters than the listed ones are refused by name.
";

/// The whole document.
pub fn render() -> String {
    let mut document = INTRODUCTION.to_owned();
    for section in sections() {
        write!(document, "\n## {section}\n\n").expect("a String takes any text");
        document.push_str("| variable | flag | default | commands | meaning |\n|---|---|---|---|---|\n");
        for setting in SETTINGS.iter().filter(|setting| setting.section == section) {
            document.push_str(&row(setting));
        }
    }
    document.push('\n');
    document.push_str(RULES);
    document
}

/// The headings, in the order of the table.
fn sections() -> Vec<&'static str> {
    let mut sections: Vec<&str> = SETTINGS.iter().map(|setting| setting.section).collect();
    sections.dedup();
    sections
}

fn row(setting: &Setting) -> String {
    let variable = match setting.file_variable() {
        Some(file) => format!("`{}` or `{file}`", setting.variable),
        None => format!("`{}`", setting.variable),
    };
    let flag = match setting.given {
        Given::ByFlag(flag) => format!("`--{flag} {}`", setting.value_name),
        Given::ByVariable => "-".to_owned(),
        Given::BySecret => "- (secret)".to_owned(),
    };
    let default = match setting.default {
        DefaultValue::Is(value) => format!("`{value}`"),
        DefaultValue::Depends(text) => text.to_owned(),
        DefaultValue::Unset => "-".to_owned(),
    };
    let commands: Vec<&str> = setting.commands.iter().copied().map(Command::name).collect();
    let cells = [variable, flag, default, commands.join(", "), setting.help.to_owned()];
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}
