//! A mask over time that answers on every frame of its span, and how a detector's boxes become one.

mod fit;
mod link;

use std::ops::Range;

use crate::frame::FrameIdx;

pub use link::{BoxTrack, Linking, Sighting, link};

/// A run of frames with a mask for each of them: a flash (a frame of the span without an answer) cannot be expressed.
///
/// `M` is what stands for the mask: a [`Mask`](crate::Mask) itself, or the name of one that is kept elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskTrack<M> {
    span: Range<FrameIdx>,
    keys: Vec<(FrameIdx, M)>,
}

impl<M> MaskTrack<M> {
    /// A track over `span` whose mask changes at the frames of `keys` and holds until the next one. `None` where the span is
    /// empty, the first key is not its first frame, keys do not rise, or one lies outside.
    pub fn new(span: Range<FrameIdx>, keys: Vec<(FrameIdx, M)>) -> Option<Self> {
        let rising = keys.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let starts = keys.first().is_some_and(|key| key.0 == span.start);
        let inside = keys.last().is_some_and(|key| key.0 < span.end);
        (rising && starts && inside).then_some(Self { span, keys })
    }

    /// The same mask on every frame of `span`; `None` where the span is empty.
    pub fn still(span: Range<FrameIdx>, mask: M) -> Option<Self> {
        let start = span.start;
        Self::new(span, vec![(start, mask)])
    }

    /// The frames it answers on.
    pub fn span(&self) -> Range<FrameIdx> {
        self.span.clone()
    }

    /// Where the mask changes.
    pub fn keys(&self) -> &[(FrameIdx, M)] {
        &self.keys
    }

    /// The mask at `idx`: `Some` on every frame of the span, `None` outside.
    pub fn at(&self, idx: FrameIdx) -> Option<&M> {
        if !self.span.contains(&idx) {
            return None;
        }
        let next = self.keys.partition_point(|key| key.0 <= idx);
        self.keys.get(next.checked_sub(1)?).map(|key| &key.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_answers_on_every_frame_of_its_span() {
        let track = MaskTrack::new(10..40, vec![(10, 'a'), (20, 'b'), (39, 'c')]).unwrap();
        assert!((10..40).all(|idx| track.at(idx).is_some()));
        assert!([0, 9, 40, 41].iter().all(|idx| track.at(*idx).is_none()));
        assert_eq!((track.at(19), track.at(20), track.at(39)), (Some(&'a'), Some(&'b'), Some(&'c')));
    }

    #[test]
    fn a_track_with_a_hole_cannot_be_made() {
        assert!(MaskTrack::new(10..40, vec![(11, 'a')]).is_none());
        assert!(MaskTrack::new(10..40, vec![(10, 'a'), (40, 'b')]).is_none());
        assert!(MaskTrack::new(10..40, vec![(10, 'a'), (10, 'b')]).is_none());
        assert!(MaskTrack::<char>::new(10..40, vec![]).is_none());
        assert!(MaskTrack::still(5..5, 'a').is_none());
    }
}
