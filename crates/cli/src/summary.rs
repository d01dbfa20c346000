//! The report for people: a few lines after a job.

use cleanplate::report::{MarkReport, OriginCounts, Resources};
use cleanplate::{Job, Report};

use crate::human::{self, printable};
use crate::progress;

/// Marks listed at most; the report as JSON has them all.
const MARKS_SHOWN: usize = 12;

/// What was done, in lines.
pub(crate) fn of(report: &Report, job: &Job) -> Vec<String> {
    let mut lines = vec![headline(job)];
    let marked = human::grouped(report.frames_marked);
    lines.push(format!("  frames    {} | with a mark {marked}", human::grouped(report.frames)));
    lines.extend(marks(&report.marks, report.frames));
    let origins = origins(&report.origins);
    if !origins.is_empty() {
        lines.push(format!("  pixels    {origins}"));
    }
    if !report.segments.is_empty() {
        let resumed = report.segments.iter().filter(|segment| segment.resumed).count();
        let note = if resumed > 0 { format!(" | {resumed} taken from an earlier run") } else { String::new() };
        lines.push(format!("  segments  {}{note}", report.segments.len()));
    }
    lines.extend(titled("encoder", report.encoder.iter().map(|line| printable(line).into_owned())));
    lines.extend(titled(
        "streams",
        report
            .streams
            .iter()
            .filter(|stream| stream.fate.starts_with("dropped"))
            .map(|stream| format!("{} {}: {}", stream.index, printable(&stream.what), printable(&stream.fate))),
    ));
    // What no part of this machine does was told when the job began; that says nothing about the result.
    let is_told = |line: &&String| {
        let is_of_device = ["refused decode by ", "refused encode by "].iter().any(|own| line.starts_with(own));
        let is_of_runtime = line.starts_with("refused ") && line.contains(" on onnxruntime: ");
        !(is_of_device || is_of_runtime) || line.contains("at frame")
    };
    lines.extend(titled("refused", report.refusals.iter().filter(is_told).map(|line| printable(line).into_owned())));
    lines.extend(titled("damage", report.damage.iter().map(|line| printable(line).into_owned())));
    if !report.checks.is_empty() {
        let held = report.checks.iter().filter(|check| check.ok).count();
        let names: Vec<&str> = report.checks.iter().map(|check| check.name.as_str()).collect();
        lines.push(format!("  checks    {held} of {} held: {}", report.checks.len(), names.join(", ")));
        for check in report.checks.iter().filter(|check| !check.ok) {
            lines.push(format!("            {}: {}", check.name, printable(&check.detail)));
        }
    }
    let timings = report.timings.iter().map(|timing| {
        let rate = progress::rate(timing.phase, timing.rate);
        format!("{} {:.1} s ({rate})", progress::name(timing.phase), timing.seconds)
    });
    let timings: Vec<String> = timings.collect();
    if !timings.is_empty() {
        lines.push(format!("  time      {}", timings.join(" | ")));
    }
    lines.extend(used(&report.resources));
    lines
}

/// How much of the machine was used, where that is known.
fn used(resources: &Resources) -> Option<String> {
    let share = |part: f64| format!("{:.0} %", 100.0 * part);
    let cores = if resources.cores == 1 { "1 core".to_owned() } else { format!("{} cores", resources.cores) };
    let mut parts = vec![format!("{} of {cores}", share(resources.cpu_share?))];
    parts.extend(resources.peak_rss_bytes.map(|bytes| format!("{} of memory", human::size(bytes))));
    parts.extend(resources.gpus.iter().map(|gpu| {
        let (mean, peak) = (share(gpu.busy_mean), share(gpu.busy_peak));
        let memory = human::size(gpu.memory_peak_bytes as f64);
        format!("{}: {mean} (peak {peak}), {memory} of its memory", printable(&gpu.name))
    }));
    Some(format!("  used      {}", parts.join(" | ")))
}

fn headline(job: &Job) -> String {
    let output = printable(&job.output.display().to_string()).into_owned();
    if job.options.dry_run {
        return format!("{output}: not written (dry run)");
    }
    let size = |path| std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len() as f64);
    match (size(&job.output), size(&job.input)) {
        (Some(now), Some(was)) => format!("{output}: {} (input {})", human::size(now), human::size(was)),
        _ => output,
    }
}

fn marks(marks: &[MarkReport], frames: u64) -> Vec<String> {
    let line = |mark: &MarkReport| {
        let when = if mark.start == 0 && mark.end >= frames {
            "all frames".to_owned()
        } else {
            let (from, to) = (mark.start_seconds, mark.last_seconds);
            format!("frames {}-{} ({from:.2}-{to:.2} s)", mark.start, mark.end)
        };
        let sure = if mark.from == "located" { format!(", confidence {:.2}", mark.confidence) } else { String::new() };
        let reason = if mark.reason.is_empty() { String::new() } else { format!(": {}", printable(&mark.reason)) };
        let opacity = mark.alpha.map_or_else(String::new, |alpha| format!(", opacity {alpha:.2}"));
        let shares = origins(&mark.origins);
        let shares = if shares.is_empty() { shares } else { format!(" | {shares}") };
        let (rect, from) = (mark.rect, printable(&mark.from));
        format!("{},{} {}x{}, {when}, {from}{sure}{opacity}{shares}{reason}", rect.x, rect.y, rect.w, rect.h)
    };
    let mut lines = titled("marks", marks.iter().take(MARKS_SHOWN).map(line));
    if marks.len() > MARKS_SHOWN {
        lines.push(format!("            and {} more, see --report", marks.len() - MARKS_SHOWN));
    }
    lines
}

fn origins(counts: &OriginCounts) -> String {
    let OriginCounts { kept, unblended, borrowed, invented } = *counts;
    let whole = counts.total();
    let named = [("kept", kept), ("unblended", unblended), ("borrowed", borrowed), ("invented", invented)];
    let shares = named.iter().filter(|(_, count)| *count > 0);
    shares.map(|(name, count)| format!("{name} {}", human::percent(*count, whole))).collect::<Vec<_>>().join(" | ")
}

/// Lines of which the first carries the title.
fn titled(title: &str, entries: impl Iterator<Item = String>) -> Vec<String> {
    entries.enumerate().map(|(k, entry)| format!("  {:<9} {entry}", if k == 0 { title } else { "" })).collect()
}

#[cfg(test)]
mod tests {
    use cleanplate::Options;
    use cleanplate::report::{CheckReport, GpuReport, StreamReport};

    use super::*;

    #[test]
    fn the_summary_names_what_matters_and_nothing_that_is_empty() {
        let job = Job { input: "in.mp4".into(), output: "out.mp4".into(), options: Options::default() };
        let report = Report {
            frames: 1200,
            frames_marked: 300,
            marks: vec![MarkReport {
                start: 10,
                end: 310,
                from: "located".into(),
                confidence: 0.9,
                alpha: Some(0.5),
                origins: OriginCounts { unblended: 3, borrowed: 1, ..OriginCounts::default() },
                ..MarkReport::default()
            }],
            origins: OriginCounts { kept: 999, invented: 1, ..OriginCounts::default() },
            streams: vec![StreamReport { index: 2, what: "data".into(), fate: "dropped: no place in mp4".into() }],
            resources: Resources {
                wall_seconds: 2.0,
                cpu_share: Some(0.834),
                cores: 2,
                peak_rss_bytes: Some(132.3e6),
                gpus: vec![GpuReport {
                    name: "NVIDIA H200".into(),
                    busy_mean: 0.41,
                    busy_peak: 0.97,
                    memory_peak_bytes: 2_100_000_000,
                }],
                ..Resources::default()
            },
            checks: vec![CheckReport { name: "count".into(), ok: false, detail: "1 missing".into() }],
            ..Report::default()
        };
        let text = of(&report, &job).join("\n");
        for part in [
            "1 200",
            "frames 10-310",
            "confidence 0.90, opacity 0.50 | unblended 75.0 % | borrowed 25.0 %",
            "invented 0.10 %",
            "2 data: dropped",
            "0 of 1 held",
            "1 missing",
            "used      83 % of 2 cores | 132.3 MB of memory | NVIDIA H200: 41 % (peak 97 %), 2.1 GB of its memory",
        ] {
            assert!(text.contains(part), "{part:?} in:\n{text}");
        }
        for part in ["damage", "segments", "encoder"] {
            assert!(!text.contains(part), "{part:?} in:\n{text}");
        }
    }
}
