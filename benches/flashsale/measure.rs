//! A run's numbers: time per tick and the process's peak memory.
//!
//! Memory is what the process grew by at its peak beyond the pre-generated input, which every system keeps to the end.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Digest;

/// One system's run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    pub system: String,
    pub workers: usize,
    pub orders: u64,
    pub events: u64,
    pub events_per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    pub peak_bytes: u64,
    pub bytes_per_order: f64,
    pub cpu_seconds: f64,
    /// Per view of [`super::VIEWS`].
    pub answers: Vec<Digest>,
}

/// Measures a run from the moment its input is in memory.
pub struct Meter {
    resident: u64,
    cpu: f64,
    started: Instant,
    ticks: Vec<Duration>,
}

impl Meter {
    pub fn start() -> Meter {
        // Forget the peak of generating the input.
        std::fs::write("/proc/self/clear_refs", "5").ok();
        Meter { resident: status_bytes("VmRSS:"), cpu: cpu_seconds(), started: Instant::now(), ticks: vec![] }
    }

    /// Times one tick.
    pub fn tick<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        self.ticks.push(started.elapsed());
        result
    }

    /// To be called when the last tick is done, before answers are read out.
    pub fn stop(mut self, system: &str, workers: usize, orders: u64, events: usize) -> Run {
        let seconds = self.started.elapsed().as_secs_f64();
        let cpu_seconds = cpu_seconds() - self.cpu;
        let peak_bytes = status_bytes("VmHWM:").saturating_sub(self.resident);
        self.ticks.sort();
        let at = |share: f64| {
            let index = ((self.ticks.len() as f64 * share) as usize).min(self.ticks.len().saturating_sub(1));
            self.ticks.get(index).map_or(0.0, |t| t.as_secs_f64() * 1e3)
        };
        Run {
            system: system.to_string(),
            workers,
            orders,
            events: events as u64,
            events_per_second: events as f64 / seconds,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: at(1.0),
            peak_bytes,
            bytes_per_order: peak_bytes as f64 / orders as f64,
            cpu_seconds,
            answers: vec![],
        }
    }
}

/// A line of `/proc/self/status` given in KiB; 0 where there is none.
fn status_bytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(field));
    line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// User and system time of the process so far; 0 where it cannot be read.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace().skip(11).take(2);
    fields.filter_map(|f| f.parse::<f64>().ok()).sum::<f64>() / 100.0
}
