//! The provider under the real `terraform`: configurations in temporary directories, run as a user would.

mod depth;
mod example;
mod harness;
