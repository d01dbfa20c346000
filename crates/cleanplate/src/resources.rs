//! What this process has used and may use, where the system tells.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Processor time of all threads since the process began.
pub(crate) fn cpu_time() -> Option<Duration> {
    cpu_time::ProcessTime::try_now().ok().map(|time| time.as_duration())
}

/// The peak of resident memory since the process began.
pub(crate) fn peak_rss_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().trim_end_matches(" kB").parse::<f64>().ok().map(|kib| kib * 1024.0)
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Bytes of memory that could be taken without pushing others out, within what the process's control groups allow; 0 where the system does not
/// tell.
pub(crate) fn free_memory() -> u64 {
    free_below(Path::new("/"))
}

/// As [`free_memory`], of the system whose files lie below `root`.
fn free_below(root: &Path) -> u64 {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let info = read("proc/meminfo");
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let free = line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kib| kib << 10);
    let groups = read("proc/self/cgroup");
    groups.lines().filter_map(|line| left_in_group(root, line)).fold(free, u64::min)
}

/// What the group that a line of `/proc/self/cgroup` names, and those above it, leave of memory; `None` where none of them bounds it.
fn left_in_group(root: &Path, line: &str) -> Option<u64> {
    // Hierarchy, controllers, path (cgroups(7)): version 2 has hierarchy 0 and no controllers.
    let mut fields = line.splitn(3, ':');
    let (hierarchy, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let (mount, limit, usage) = match (hierarchy, controllers) {
        ("0", "") => ("sys/fs/cgroup", "memory.max", "memory.current"),
        (_, names) if names.split(',').any(|name| name == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
        }
        _ => return None,
    };
    let mount = root.join(mount);
    let own = mount.join(path.trim_start_matches('/'));
    // In a container the path may be that outside of it: the mount itself is its group then.
    let groups = own.ancestors().take_while(|group| group.starts_with(&mount));
    let number = |group: &Path, name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    groups
        .filter_map(|group| {
            let (most, used) = (number(group, limit)?, number(group, usage)?);
            // Files that are cached for it and lie idle would be given up.
            let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
            let idle = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.parse::<u64>().ok());
            Some(most.saturating_sub(used.saturating_sub(idle.unwrap_or(0))))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_the_machine_and_every_group_above_leave() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable:    8000000 kB\n");
        assert_eq!(free_below(root.path()), 8_000_000 << 10);
        write("proc/self/cgroup", "0::/jobs/one\n");
        write("sys/fs/cgroup/jobs/one/memory.max", "max\n");
        assert_eq!(free_below(root.path()), 8_000_000 << 10);
        write("sys/fs/cgroup/jobs/memory.max", "1000000\n");
        write("sys/fs/cgroup/jobs/memory.current", "700000\n");
        write("sys/fs/cgroup/jobs/memory.stat", "anon 400000\ninactive_file 200000\n");
        assert_eq!(free_below(root.path()), 500_000);
        // Version 1.
        write("proc/self/cgroup", "5:cpu,memory:/outside\n0::/\n");
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "900\n");
        write("sys/fs/cgroup/memory/memory.usage_in_bytes", "100\n");
        assert_eq!(free_below(root.path()), 800);
    }
}
