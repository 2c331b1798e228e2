//! Metrics as their users take them: promtool, Prometheus, the dashboard, the alerts; how many there are, and what is in none.

mod files;
mod prometheus;
mod proof;
mod quiet;
mod rules;
mod series;
