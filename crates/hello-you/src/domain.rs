//! What the service is about, without any effect: names, dates of birth, zones, days left, the sentence.
//!
//! Nothing here reads a clock, a database or the environment; "today" is always a parameter.

mod birth_date;
mod birthday;
mod username;
mod zone;

pub use birth_date::{BirthDate, BirthDateError};
pub use birthday::{LeapDay, days_until_birthday, greeting};
pub use username::{Username, UsernameError};
pub use zone::{UnknownZone, Zone};

/// What the clock says, as a parameter: production passes [`std::time::SystemTime::now`], tests a clock they set.
pub type Clock = std::sync::Arc<dyn Fn() -> std::time::SystemTime + Send + Sync>;
