//! The health of a container: what its checks make of it, and when the next one is due.
//!
//! As ECS does it: one check that passes makes it healthy; as many failures in a row as `retries` says make it unhealthy;
//! a failure in the start period does not count unless a check has passed before.
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html>

use crate::{
    task::model::{Health, HealthCheck},
    timeouts,
};
use std::time::Duration;

/// How a container's health has come to be.
#[derive(Debug)]
pub struct Machine {
    interval: Duration,
    retries: u32,
    start_period: Duration,
    health: Health,
    failures: u32,
}

impl Machine {
    /// Before the first check.
    pub fn new(check: &HealthCheck) -> Machine {
        Machine {
            interval: check.interval,
            retries: check.retries.max(1),
            start_period: check.start_period,
            health: Health::Unknown,
            failures: 0,
        }
    }

    /// Takes the outcome of a check that was begun so long after the container's start.
    pub fn record(&mut self, passed: bool, after: Duration) -> Health {
        if passed {
            self.failures = 0;
            self.health = Health::Healthy;
        } else if self.health != Health::Unknown || after >= self.start_period {
            self.failures += 1;
            if self.failures >= self.retries {
                self.health = Health::Unhealthy;
            }
        }
        self.health
    }

    /// How long to wait for the next check, so long after the container's start.
    ///
    /// In the start period checks come quickly until one passes, so that a lab is not slower to become healthy than what
    /// runs in it.
    pub fn pause(&self, after: Duration) -> Duration {
        if self.health == Health::Unknown && after < self.start_period {
            self.interval.min(timeouts::FIRST_HEALTH_CHECKS)
        } else {
            self.interval
        }
    }
}

/// The health of a task: unhealthy where one container is, healthy where all that are checked are.
pub fn of_task(containers: impl Iterator<Item = (bool, Health)>) -> Health {
    let checked: Vec<_> = containers.filter_map(|(checked, health)| checked.then_some(health)).collect();
    if checked.contains(&Health::Unhealthy) {
        Health::Unhealthy
    } else if !checked.is_empty() && checked.iter().all(|health| *health == Health::Healthy) {
        Health::Healthy
    } else {
        Health::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn machine() -> Machine {
        Machine::new(&HealthCheck {
            command: vec!["CMD".to_owned(), "true".to_owned()],
            interval: 10 * SECOND,
            timeout: 5 * SECOND,
            retries: 3,
            start_period: 20 * SECOND,
        })
    }

    #[test]
    fn one_pass_makes_healthy_and_three_failures_in_a_row_unhealthy() {
        let mut machine = machine();
        let outcomes = [true, false, false, true, false, false, false, true];
        let healths: Vec<_> = outcomes.iter().map(|passed| machine.record(*passed, 60 * SECOND)).collect();
        let mut expected = vec![Health::Healthy; 6];
        expected.extend([Health::Unhealthy, Health::Healthy]);
        assert_eq!(healths, expected);
    }

    #[test]
    fn failures_in_the_start_period_do_not_count() {
        let mut machine = machine();
        for _ in 0..10 {
            assert_eq!(machine.record(false, 19 * SECOND), Health::Unknown);
        }
        assert_eq!(machine.record(false, 20 * SECOND), Health::Unknown);
        assert_eq!(machine.record(false, 30 * SECOND), Health::Unknown);
        assert_eq!(machine.record(false, 40 * SECOND), Health::Unhealthy);
    }

    #[test]
    fn after_a_pass_in_the_start_period_failures_count() {
        let mut machine = machine();
        machine.record(true, SECOND);
        machine.record(false, 2 * SECOND);
        machine.record(false, 3 * SECOND);
        assert_eq!(machine.record(false, 4 * SECOND), Health::Unhealthy);
    }

    #[test]
    fn checks_come_quickly_until_the_first_passes_or_the_start_period_is_over() {
        let mut machine = machine();
        assert_eq!(machine.pause(Duration::ZERO), timeouts::FIRST_HEALTH_CHECKS);
        assert_eq!(machine.pause(20 * SECOND), 10 * SECOND);
        machine.record(true, SECOND);
        assert_eq!(machine.pause(2 * SECOND), 10 * SECOND);
    }

    #[test]
    fn a_task_is_as_healthy_as_its_containers_that_are_checked() {
        let of = |containers: &[(bool, Health)]| of_task(containers.iter().copied());
        assert_eq!(of(&[(false, Health::Unknown)]), Health::Unknown);
        assert_eq!(of(&[(true, Health::Healthy), (false, Health::Unknown)]), Health::Healthy);
        assert_eq!(of(&[(true, Health::Healthy), (true, Health::Unknown)]), Health::Unknown);
        assert_eq!(of(&[(true, Health::Unhealthy), (true, Health::Unknown)]), Health::Unhealthy);
    }
}
