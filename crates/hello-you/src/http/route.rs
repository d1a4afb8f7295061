//! The routes, as logs and metrics call them.

/// What a request is for. Logs and metrics name a route by its template, never by the path, which holds names of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// The greeting of a user.
    Hello,
    /// The administrators' list of users.
    Users,
    /// The process can answer.
    Health,
    /// Reads and writes can be served.
    HealthReady,
    /// The answer for DNS fail-over.
    HealthDeep,
    /// The page, or the health for clients that are no browser.
    Home,
    /// The `OpenAPI` document.
    OpenApi,
    /// The page to read and try it.
    Docs,
    /// What the pages need: styles, scripts, images.
    Asset,
    /// The metrics themselves.
    Metrics,
    /// Anything else.
    Unmatched,
}

impl Route {
    /// Every route.
    pub const ALL: [Self; 11] = [
        Self::Hello,
        Self::Users,
        Self::Health,
        Self::HealthReady,
        Self::HealthDeep,
        Self::Home,
        Self::OpenApi,
        Self::Docs,
        Self::Asset,
        Self::Metrics,
        Self::Unmatched,
    ];

    /// The name in logs and metrics.
    pub const fn template(self) -> &'static str {
        match self {
            Self::Hello => "/hello/{username}",
            Self::Users => "/users",
            Self::Health => "/health",
            Self::HealthReady => "/health/ready",
            Self::HealthDeep => "/health/deep",
            Self::Home => "/",
            Self::OpenApi => "/openapi.json",
            Self::Docs => "/docs",
            Self::Asset => "assets",
            Self::Metrics => "/metrics",
            Self::Unmatched => "unmatched",
        }
    }

    /// A small number for tables by route.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_the_place_in_the_list() {
        for (place, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route.index(), place);
        }
    }
}
