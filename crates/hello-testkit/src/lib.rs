//! What the tests of every crate share: real PostgreSQL servers, a breaking proxy, waiting.
