//! What the process takes: memory and processor time, as Linux tells; zeros elsewhere.

/// Clock ticks per second in `/proc/self/stat`: fixed for user space on every Linux.
const CLOCK_TICKS: f64 = 100.0;

/// Forgets the peak so far.
pub(super) fn reset_peak() {
    // Without it the peak of loading the input shows: more, never less.
    std::fs::write("/proc/self/clear_refs", "5").ok();
}

/// Bytes in memory now.
pub(super) fn resident_bytes() -> u64 {
    status_bytes("VmRSS:")
}

/// The most there were since the last [`reset_peak`].
pub(super) fn peak_bytes() -> u64 {
    status_bytes("VmHWM:")
}

/// A line of `/proc/self/status` given in KiB.
fn status_bytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(field));
    line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// User and system time of the process so far.
pub(super) fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the command's name, which may hold anything, the 12th and 13th field.
    let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace().skip(11).take(2);
    fields.filter_map(|f| f.parse::<f64>().ok()).sum::<f64>() / CLOCK_TICKS
}
