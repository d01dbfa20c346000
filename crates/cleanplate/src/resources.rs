//! What this process has used, where the system tells.

use std::collections::BTreeMap;

/// `cpu_seconds` of all threads since the process began and `peak_rss_bytes`; a figure that the system does not tell is left
/// out.
pub(crate) fn used() -> BTreeMap<String, f64> {
    let mut used = BTreeMap::new();
    if let Ok(time) = cpu_time::ProcessTime::try_now() {
        used.insert("cpu_seconds".to_owned(), time.as_duration().as_secs_f64());
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    if let Some(kib) = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok()) {
        used.insert("peak_rss_bytes".to_owned(), kib * 1024.0);
    }
    used
}

/// Bytes of memory that could be taken without pushing others out; 0 where the system does not tell.
pub(crate) fn free_memory() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kib| kib << 10)
}
