//! Letters of which nothing is known but what they look like: they are captions where others of the clip stand in the same rows.

use super::Caption;

/// Captions of a clip stand in the same rows: their middles are no farther apart than this part of their height, which differs by
/// no more than this factor; and so many of them make a rule.
const SAME_ROWS: f32 = 0.4;
const SAME_HEIGHT: f32 = 1.5;
const RULE: usize = 2;

/// So many wait for the end of the clip at most (a few kB each); the oldest are given up beyond that. And so many different
/// places of captions are known.
const MOST: usize = 256;
const PLACES: usize = 4096;

/// A middle and a height, in cells.
type Rows = (f32, f32);

/// What is left open, and where captions stand.
#[derive(Debug, Default)]
pub(super) struct Open {
    waiting: Vec<(Caption, Rows)>,
    /// Where captions stand, and how many of them.
    known: Vec<(Rows, usize)>,
}

impl Open {
    /// Takes note of a caption on rows from the first up to the second.
    pub(super) fn know(&mut self, rows: (u32, u32)) {
        let rows = middle(rows);
        if let Some((_, count)) = self.known.iter_mut().find(|(known, _)| *known == rows) {
            *count += 1;
        } else if self.known.len() < PLACES {
            self.known.push((rows, 1));
        }
    }

    /// Keeps letters until more is known.
    pub(super) fn push(&mut self, caption: Caption, rows: (u32, u32)) {
        self.waiting.push((caption, middle(rows)));
    }

    /// Those that there is no room for: they are taken if enough is known by now, else given up.
    pub(super) fn dropped(&mut self) -> Vec<Caption> {
        let too_many = self.waiting.len().saturating_sub(MOST);
        let dropped: Vec<(Caption, Rows)> = self.waiting.drain(..too_many).collect();
        dropped.into_iter().map(|one| self.decide(one)).collect()
    }

    /// All that are left, once all captions are known.
    pub(super) fn finish(&mut self) -> Vec<Caption> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().map(|one| self.decide(one)).collect()
    }

    fn decide(&self, (mut caption, (middle, height)): (Caption, Rows)) -> Caption {
        let is_alike = |(m, h): Rows| {
            (m - middle).abs() <= SAME_ROWS * h.min(height) && h.max(height) <= SAME_HEIGHT * h.min(height)
        };
        let alike = self.known.iter().filter(|(rows, _)| is_alike(*rows)).map(|(_, count)| count).sum::<usize>();
        if alike >= RULE {
            caption.confident = true;
            caption.reason = format!("stands where {alike} other captions do");
        } else {
            (caption.keys, caption.plate) = (Vec::new(), None);
        }
        caption
    }
}

fn middle((top, bottom): (u32, u32)) -> Rows {
    (0.5 * (top + bottom) as f32, (bottom - top) as f32)
}
