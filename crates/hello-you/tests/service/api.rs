//! Every row of the table of the HTTP interface, and the details settled about it.

mod administration;
mod bodies;
mod calendar;
mod greetings;
mod names;
mod observability;
