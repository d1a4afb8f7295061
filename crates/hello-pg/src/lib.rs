//! PostgreSQL words shared by the service, the lab and the fail-over controller.
