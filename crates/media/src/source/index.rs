//! The frames that decoding yields, in presentation order, with exact times.

use std::collections::{BTreeSet, HashMap};

use cleanplate_core::FrameIdx;
use serde::{Deserialize, Serialize};

use super::bitstream::{Entry, Look};
use super::scan::Scanned;
use super::survey::PacketEntry;
use crate::types::Rational;

/// Packets that a frame may be displaced by reordering at most: two groups of the 16 that H.264 and HEVC allow, as fields.
const MAX_REORDER: usize = 64;

/// Where the times of the index come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timing {
    /// Presentation times of the container, untouched.
    Container,
    /// The container gives decoding times only: these, in the order of presentation.
    Decoding,
    /// The container's times, some of them moved because they did not rise.
    Repaired,
    /// The container has no times: the nominal rate.
    Rate,
}

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameEntry {
    /// Presentation time in ticks of the stream's time base; rises strictly.
    pub pts: i64,
    /// Ticks until the next frame; for the last one as the container says, above 0.
    pub duration: i64,
    /// Whether the stream calls it a key frame.
    pub key: bool,
}

/// The frames of a video stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Every frame that decoding yields, in presentation order.
    pub frames: Vec<FrameEntry>,
    /// Seconds a tick.
    pub time_base: Rational,
    /// Where the times come from.
    pub timing: Timing,
    /// Whether the frames were counted by decoding all of them, because the packets alone could not tell.
    pub scanned: bool,
    /// First frames of a new picture size or format, as `(frame, what it is)`.
    pub changes: Vec<(FrameIdx, String)>,
    /// Packet (ordinal in the stream) of each frame.
    pub(crate) packets: Vec<u32>,
    /// Frame of each packet that has one.
    pub(crate) by_packet: HashMap<u32, FrameIdx>,
    /// Places where decoding may start: packet, its frame and how far it is trusted; rising.
    pub(crate) entries: Vec<(u32, FrameIdx, Entry)>,
}

impl Index {
    /// The index from packets alone, `None` where they cannot tell which frames decoding yields.
    pub(crate) fn of_packets(packets: &[PacketEntry], looks: &[Look], time_base: Rational, tick: i64) -> Option<Self> {
        let mut shown: Vec<u32> = Vec::with_capacity(packets.len());
        for (ordinal, (packet, look)) in packets.iter().zip(looks).enumerate() {
            if packet.is_corrupt() {
                return None;
            }
            match look {
                Look::Odd => return None,
                Look::Hidden => {}
                Look::Frame(_) if packet.is_discarded() => {}
                Look::Frame(_) => {
                    packet.pts?;
                    shown.push(ordinal as u32);
                }
            }
        }
        let first = looks.iter().position(|look| matches!(look, Look::Frame(_)))?;
        let Look::Frame(entry) = looks[first] else { return None };
        let start = packets[first].pts?;
        let pts = |ordinal: u32| packets[ordinal as usize].pts.unwrap_or(i64::MIN);
        let mut order = shown.clone();
        order.sort_by_key(|ordinal| pts(*ordinal));
        let rises = order.windows(2).all(|pair| pts(pair[0]) < pts(pair[1]));
        let rank: HashMap<u32, usize> = order.iter().enumerate().map(|(rank, ordinal)| (*ordinal, rank)).collect();
        let near = shown.iter().enumerate().all(|(i, ordinal)| rank[ordinal].abs_diff(i) <= MAX_REORDER);
        let leading = looks.iter().zip(packets).any(|(look, p)| matches!(look, Look::Frame(_)) && p.pts < Some(start));
        // Pictures shown before the first one need what is not there, unless it is said to need nothing.
        if !rises || !near || entry == Entry::None || (leading && entry == Entry::Open) {
            return None;
        }
        let times = order.iter().map(|ordinal| pts(*ordinal)).collect();
        Some(Self::build(packets, looks, order, times, Timing::Container, time_base, tick))
    }

    /// The index of what decoding has given.
    pub(crate) fn of_scan(
        packets: &[PacketEntry],
        looks: &[Look],
        scanned: Scanned,
        time_base: Rational,
        tick: i64,
    ) -> Self {
        let order: Vec<u32> = scanned.frames.iter().map(|frame| frame.packet).collect();
        let (times, timing) = times(packets, &order, tick);
        let mut index = Self::build(packets, looks, order, times, timing, time_base, tick);
        index.scanned = true;
        index.changes = scanned.changes;
        for (entry, frame) in index.frames.iter_mut().zip(&scanned.frames) {
            entry.key = frame.key;
        }
        index
    }

    fn build(
        packets: &[PacketEntry],
        looks: &[Look],
        order: Vec<u32>,
        times: Vec<i64>,
        timing: Timing,
        time_base: Rational,
        tick: i64,
    ) -> Self {
        let last = order.last().map_or(0, |ordinal| packets[*ordinal as usize].duration);
        let gap = times.windows(2).last().map_or(tick, |pair| pair[1].saturating_sub(pair[0]));
        let last = if last > 0 { last } else { gap.min(tick.max(1)).max(1) };
        let frames = order
            .iter()
            .enumerate()
            .map(|(i, ordinal)| FrameEntry {
                pts: times[i],
                duration: times.get(i + 1).map_or(last, |next| next - times[i]),
                key: packets[*ordinal as usize].is_key(),
            })
            .collect();
        let by_packet: HashMap<u32, FrameIdx> = order.iter().enumerate().map(|(i, o)| (*o, i as u64)).collect();
        let entries = (0..)
            .zip(looks)
            .filter_map(|(ordinal, look)| match look {
                Look::Frame(entry) if *entry != Entry::None => {
                    by_packet.get(&ordinal).map(|frame| (ordinal, *frame, *entry))
                }
                _ => None,
            })
            .collect();
        Self { frames, time_base, timing, scanned: false, changes: Vec::new(), packets: order, by_packet, entries }
    }

    /// How decoding order differs from the order of presentation: see the function of this name.
    pub(crate) fn reorder(&self) -> (usize, u64) {
        reorder(self.by_packet.iter().map(|(packet, idx)| (*packet, *idx)).collect())
    }

    /// How many places there are where decoding may start.
    pub fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// Where decoding must start so that `idx` and all later frames come out as in sequential decoding; `None` for the start
    /// of the stream.
    pub(crate) fn start_for(&self, idx: FrameIdx) -> Option<Start> {
        let mut settled = None;
        for (packet, entry) in self.entries_before(idx) {
            let start = match (entry, settled) {
                (Entry::Closed, _) => Start { packet, settled: settled.unwrap_or(packet) },
                // After an open entry pictures may still lean on what lies before it: one more group is decoded as margin.
                (Entry::Open, Some(settled)) => Start { packet, settled },
                _ => {
                    settled = Some(packet);
                    continue;
                }
            };
            return (start.packet > 0).then_some(start);
        }
        None
    }

    /// Places to start for `idx`, the nearest first. None where one packet gave several frames: only counting from the
    /// start tells those apart.
    fn entries_before(&self, idx: FrameIdx) -> impl Iterator<Item = (u32, Entry)> + '_ {
        let distinct = self.by_packet.len() == self.packets.len();
        let reached = match self.packets.get(idx as usize) {
            Some(wanted) if distinct => self.entries.partition_point(|(packet, _, _)| packet <= wanted),
            _ => 0,
        };
        let places = self.entries[..reached].iter().rev();
        places.filter(move |(_, frame, _)| *frame <= idx).map(|(packet, _, entry)| (*packet, *entry))
    }
}

/// Where decoding starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The first packet to decode.
    pub(crate) packet: u32,
    /// The first packet from which on the decoder must not complain.
    pub(crate) settled: u32,
}

/// Times for frames in output order, as good as the container allows, always rising.
fn times(packets: &[PacketEntry], order: &[u32], tick: i64) -> (Vec<i64>, Timing) {
    let of = |ordinal: &u32| &packets[*ordinal as usize];
    let pts: Vec<i64> = order.iter().filter_map(|o| of(o).pts).collect();
    let rises = |times: &[i64]| times.windows(2).all(|pair| pair[0] < pair[1]);
    if pts.len() == order.len() {
        return if rises(&pts) { (pts, Timing::Container) } else { (repaired(pts, tick), Timing::Repaired) };
    }
    let mut dts: Vec<i64> = order.iter().filter_map(|o| of(o).dts).collect();
    if dts.len() < order.len() {
        return ((0..order.len() as i64).map(|i| i.saturating_mul(tick.max(1))).collect(), Timing::Rate);
    }
    dts.sort_unstable();
    let timing = if rises(&dts) { Timing::Decoding } else { Timing::Repaired };
    let dts = if timing == Timing::Repaired { repaired(dts, tick) } else { dts };
    // A picture is shown as many pictures after its decoding as the decoder holds back.
    let depth = reorder(order.iter().zip(0..).map(|(ordinal, idx)| (*ordinal, idx)).collect()).0;
    let gap = dts.windows(2).last().map_or(tick, |pair| pair[1] - pair[0]).max(1);
    let end = dts.last().copied().unwrap_or(0);
    let late = (1..).map(|i: i64| end.saturating_add(gap.saturating_mul(i)));
    let mut times: Vec<i64> = dts.into_iter().chain(late.take(depth)).skip(depth).collect();
    // Where the container gives the time of some pictures, all follow the first of them.
    if let Some((time, known)) = times.iter().zip(order).find_map(|(time, o)| of(o).pts.map(|pts| (*time, pts))) {
        times.iter_mut().for_each(|t| *t = t.saturating_add(known.saturating_sub(time)));
    }
    (times, timing)
}

/// How decoding order differs from the order of presentation, of `(packet, frame)`: how many frames the decoder has to hold
/// back at most, and how far ahead of a frame that leans on it another may be shown.
fn reorder(mut order: Vec<(u32, FrameIdx)>) -> (usize, u64) {
    order.sort_unstable();
    let mut held = BTreeSet::new();
    let (mut shown, mut depth, mut latest, mut ahead) = (0, 0, 0, 0);
    for (_, idx) in order {
        latest = idx.max(latest);
        ahead = ahead.max(latest - idx);
        held.insert(idx);
        while held.remove(&shown) {
            shown += 1;
        }
        depth = depth.max(held.len());
    }
    (depth, ahead)
}

/// Moves times that do not rise: a frame at or before its predecessor follows it by one tick; after a jump back of more
/// than a few frames everything is shifted, because the clock was reset there.
fn repaired(mut times: Vec<i64>, tick: i64) -> Vec<i64> {
    let tick = tick.max(1);
    let mut shift = 0i64;
    for i in 1..times.len() {
        let time = times[i].saturating_add(shift);
        let before = times[i - 1];
        times[i] = if time > before {
            time
        } else if before - time > tick.saturating_mul(4) {
            shift = shift.saturating_add(before.saturating_add(tick) - time);
            before.saturating_add(tick)
        } else {
            before.saturating_add(1)
        };
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pts: Option<i64>, dts: Option<i64>) -> PacketEntry {
        PacketEntry { pts, dts, duration: 0, pos: -1, size: 1, crc: 0, flags: 0 }
    }

    #[test]
    fn decoding_times_are_shown_as_late_as_the_decoder_reorders() {
        // I P B B, P B B: the packets of frames 0 3 1 2 6 4 5, with the presentation time of the first frame alone.
        let packets: Vec<_> = (0..7).map(|i| packet((i == 0).then_some(110), Some(i * 10))).collect();
        let order = [0, 2, 3, 1, 5, 6, 4];
        assert_eq!(times(&packets, &order, 10), (vec![110, 120, 130, 140, 150, 160, 170], Timing::Decoding));
        let bare: Vec<_> = packets.iter().map(|p| packet(None, p.dts)).collect();
        assert_eq!(times(&bare, &order, 10).0, [10, 20, 30, 40, 50, 60, 70]);
        let none: Vec<_> = packets.iter().map(|_| packet(None, None)).collect();
        assert_eq!(times(&none, &order, 10), (vec![0, 10, 20, 30, 40, 50, 60], Timing::Rate));
    }

    #[test]
    fn times_that_do_not_rise_are_moved_as_little_as_possible() {
        assert_eq!(repaired(vec![0, 10, 10, 30], 10), [0, 10, 11, 30]);
        assert_eq!(repaired(vec![100, 110, 0, 10, 20], 10), [100, 110, 120, 130, 140]);
    }

    #[test]
    fn decoding_starts_at_the_nearest_place_that_is_safe() {
        let look = |i: u32| match i {
            0 | 20 => Look::Frame(Entry::Closed),
            10 | 30 | 40 => Look::Frame(Entry::Open),
            _ => Look::Frame(Entry::None),
        };
        let looks: Vec<_> = (0..50).map(look).collect();
        let packets: Vec<_> = (0..50).map(|i| packet(Some(i), Some(i))).collect();
        let index = Index::of_packets(&packets, &looks, Rational::new(1, 25), 1).unwrap();
        let start = |packet, settled| Some(Start { packet, settled });
        assert_eq!(index.start_for(5), None);
        assert_eq!(index.start_for(25), start(20, 20));
        assert_eq!(index.start_for(35), start(20, 30));
        assert_eq!(index.start_for(45), start(30, 40));
    }
}
