//! The figures of this process that Prometheus' clients agree on: `process_*`. They come from `/proc/self`, which is not on
//! a disk, and are left out where there is no such thing.

use std::{
    fmt::Write as _,
    fs,
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

/// The names, with type and help text.
pub(super) const FIGURES: [(&str, &str, &str); 6] = [
    ("process_cpu_seconds_total", "counter", "Processor time of this process, user and system, in seconds."),
    ("process_resident_memory_bytes", "gauge", "Memory of this process that is in RAM, in bytes."),
    ("process_virtual_memory_bytes", "gauge", "Address space of this process, in bytes."),
    ("process_open_fds", "gauge", "File descriptors that are open."),
    ("process_max_fds", "gauge", "File descriptors that may be open."),
    ("process_start_time_seconds", "gauge", "When this process started, in seconds since 1970 UTC."),
];

/// Notes when the process started; called once at its start.
pub(super) fn started() {
    let _ = started_at();
}

fn started_at() -> f64 {
    static AT: OnceLock<f64> = OnceLock::new();
    *AT.get_or_init(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64())
}

/// Writes the lines of all figures that are known to `page`.
pub(super) fn render(page: &mut String) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let values = [
        Some(cpu_seconds()),
        kibibytes(&status, "VmRSS:"),
        kibibytes(&status, "VmSize:"),
        open_fds(),
        max_fds(),
        Some(started_at()),
    ];
    for ((name, kind, help), value) in FIGURES.into_iter().zip(values) {
        if let Some(value) = value {
            // Writing to memory cannot fail.
            let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds and nanoseconds of a process are far below 2^53")]
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// A line of `/proc/self/status`, in bytes.
fn kibibytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

#[expect(clippy::cast_precision_loss, reason = "they are few")]
fn open_fds() -> Option<f64> {
    // The listing itself is one of them.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

#[expect(clippy::cast_precision_loss, reason = "a limit is a small number or none")]
fn max_fds() -> Option<f64> {
    getrlimit(Resource::Nofile).current.map(|max| max as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_of_this_process_is_there_and_plausible() {
        started();
        let mut page = String::new();
        render(&mut page);
        let value = |name: &str| -> f64 {
            let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} is missing:\n{page}")).parse().unwrap()
        };
        for (name, _, _) in FIGURES {
            assert!(value(name) > 0.0, "{name}:\n{page}");
        }
        assert!(value("process_open_fds") < value("process_max_fds"));
        assert!(value("process_resident_memory_bytes") < value("process_virtual_memory_bytes"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((0.0..3600.0).contains(&(now - value("process_start_time_seconds"))));
    }

    #[test]
    fn a_status_without_the_line_has_no_figure() {
        assert_eq!(kibibytes("Name:\tx\nVmRSS:\t   12 kB\n", "VmRSS:"), Some(12288.0));
        assert_eq!(kibibytes("Name:\tx\n", "VmRSS:"), None);
    }
}
