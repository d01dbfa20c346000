//! What was found broken in a source, in bounded space.

use cleanplate_core::FrameIdx;
use serde::{Deserialize, Serialize};

/// Frames and lines listed at most; the counts go on.
const KEPT: usize = 200;

/// What libav reported while packets were read or frames decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Frames that the decoder marked as damaged or concealed: the first of them.
    pub corrupt_frames: Vec<FrameIdx>,
    /// How many there were in all.
    pub corrupt_count: u64,
    /// Frames of the index that the decoder did not give; the picture before is repeated in their place. The first of them.
    pub missing_frames: Vec<FrameIdx>,
    /// How many there were in all.
    pub missing_count: u64,
    /// Packets that the decoder refused.
    pub decode_errors: u64,
    /// Times that the container could not be read on.
    pub read_errors: u64,
    /// libav's words, the first of them; warnings about what is no damage are among them.
    pub lines: Vec<String>,
}

impl Damage {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.corrupt_count == 0 && self.missing_count == 0 && self.decode_errors == 0 && self.read_errors == 0
    }

    /// What has been found since `earlier`, an older state of the same.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let after = |list: &[FrameIdx], old: &[FrameIdx]| list.get(old.len()..).unwrap_or_default().to_vec();
        Self {
            corrupt_frames: after(&self.corrupt_frames, &earlier.corrupt_frames),
            corrupt_count: self.corrupt_count - earlier.corrupt_count,
            missing_frames: after(&self.missing_frames, &earlier.missing_frames),
            missing_count: self.missing_count - earlier.missing_count,
            decode_errors: self.decode_errors - earlier.decode_errors,
            read_errors: self.read_errors - earlier.read_errors,
            lines: self.lines.get(earlier.lines.len()..).unwrap_or_default().to_vec(),
        }
    }

    /// A line for each kind of damage, for people.
    pub fn summary(&self) -> Vec<String> {
        let frames = |list: &[FrameIdx]| {
            let shown: Vec<String> = list.iter().take(8).map(ToString::to_string).collect();
            shown.join(", ") + if list.len() > 8 { " ..." } else { "" }
        };
        let mut lines = Vec::new();
        if self.corrupt_count > 0 {
            lines.push(format!("{} damaged frames: {}", self.corrupt_count, frames(&self.corrupt_frames)));
        }
        if self.missing_count > 0 {
            let (n, list) = (self.missing_count, frames(&self.missing_frames));
            lines.push(format!("{n} frames that do not decode (the picture before stands in): {list}"));
        }
        if self.decode_errors > 0 {
            lines.push(format!("{} packets that the decoder refused", self.decode_errors));
        }
        if self.read_errors > 0 {
            lines.push(format!("{} places where the container could not be read", self.read_errors));
        }
        if let (false, Some(words)) = (self.is_empty(), self.lines.first()) {
            lines.push(format!("libav: {words}"));
        }
        lines
    }

    pub(crate) fn corrupt(&mut self, idx: FrameIdx) {
        if note(&mut self.corrupt_frames, idx) {
            self.corrupt_count += 1;
        }
    }

    pub(crate) fn missing(&mut self, idx: FrameIdx) {
        if note(&mut self.missing_frames, idx) {
            self.missing_count += 1;
        }
    }

    pub(crate) fn words(&mut self, lines: Vec<String>) {
        for line in lines {
            let line = without_addresses(&line);
            if self.lines.len() < KEPT && !self.lines.contains(&line) {
                self.lines.push(line);
            }
        }
    }
}

/// Whether the frame is new, as far as the list reaches.
fn note(list: &mut Vec<FrameIdx>, idx: FrameIdx) -> bool {
    if list.contains(&idx) {
        return false;
    }
    if list.len() < KEPT {
        list.push(idx);
    }
    true
}

/// libav names its objects with addresses (`[h264 @ 0x55d0]`), which differ from run to run.
pub(crate) fn without_addresses(line: &str) -> String {
    let mut parts = line.split(" @ 0x");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_once_without_addresses_and_in_bounded_number() {
        let mut damage = Damage::default();
        damage.words(vec!["[h264 @ 0x55d0a] no frame".into(), "[h264 @ 0x66e0b] no frame".into()]);
        assert_eq!(damage.lines, ["[h264] no frame"]);
        damage.words((0..1000).map(|i| format!("line {i}")).collect());
        (0..1000).for_each(|idx| damage.corrupt(idx));
        assert_eq!((damage.lines.len(), damage.corrupt_frames.len(), damage.corrupt_count), (KEPT, KEPT, 1000));
    }
}
