//! The `hello-you` program.

fn main() {}
