//! What a packet's own bits say: whether it yields a frame, and whether decoding may start at it. Containers are not
//! trusted with either.

use crate::av::ffi;

/// Whether decoding may start at a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// No.
    None,
    /// Yes, but later pictures may lean on what lies before it.
    Open,
    /// Yes, nothing before it is ever needed.
    Closed,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// One frame comes out of it.
    Frame(Entry),
    /// It is decoded but never shown.
    Hidden,
    /// Only decoding can tell.
    Odd,
}

/// Looks at the packets of one stream in order.
pub(crate) struct Examiner {
    codec: ffi::AVCodecID,
    intra_only: bool,
}

impl Examiner {
    pub(crate) fn new(parameters: &crate::av::Parameters) -> Self {
        let codec = parameters.get().codec_id;
        // SAFETY: libav's static table; null for unknown codecs.
        let props = unsafe { ffi::avcodec_descriptor_get(codec).as_ref() }.map_or(0, |d| d.props);
        Self { codec, intra_only: props & ffi::AV_CODEC_PROP_INTRA_ONLY != 0 }
    }

    /// What the packet with this payload and container flag is.
    pub(crate) fn look(&mut self, data: &[u8], key: bool) -> Look {
        use ffi::AVCodecID as C;
        if data.is_empty() {
            return Look::Odd;
        }
        if self.intra_only {
            return Look::Frame(Entry::Closed);
        }
        let entry = if key { Entry::Open } else { Entry::None };
        match self.codec {
            C::H264 | C::HEVC | C::AV1 | C::VP8 | C::VP9 | C::MPEG2VIDEO | C::FFV1 => Look::Frame(entry),
            _ => Look::Odd,
        }
    }
}
