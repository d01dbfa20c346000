//! What a packet's own bits say: whether it yields one frame, and whether decoding may start at it. Containers are trusted
//! with neither. Refuses to decode: where a few header bits cannot tell, the answer is [`Look::Odd`].

mod av1;
mod bits;
mod field;
mod mpeg2;
mod nal;
mod vpx;

use crate::av::{Parameters, ffi};

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

/// Whether every picture of a codec stands alone. libav does not say so of PNG, whose animated kind is another codec.
pub(crate) fn is_intra(codec: ffi::AVCodecID) -> bool {
    // SAFETY: libav's static table; null for unknown codecs.
    let props = unsafe { ffi::avcodec_descriptor_get(codec).as_ref() }.map_or(0, |d| d.props);
    props & ffi::AV_CODEC_PROP_INTRA_ONLY != 0 || codec == ffi::AVCodecID::PNG
}

enum Syntax {
    /// Every picture stands alone.
    Intra,
    Nal(nal::Nal),
    Mpeg2(mpeg2::Mpeg2),
    Vp8(vpx::Vp8),
    Vp9(vpx::Vp9),
    Av1(av1::Av1),
    /// One picture a packet; the container says where decoding may start.
    Plain,
    Unknown,
}

/// Looks at the packets of one stream in order.
pub(crate) struct Examiner {
    syntax: Syntax,
}

impl Examiner {
    pub(crate) fn new(parameters: &Parameters) -> Self {
        use ffi::AVCodecID as C;
        let codec = parameters.get().codec_id;
        let syntax = match codec {
            C::H264 | C::HEVC => Syntax::Nal(nal::Nal::new(parameters)),
            C::MPEG2VIDEO => Syntax::Mpeg2(mpeg2::Mpeg2::default()),
            C::VP8 => Syntax::Vp8(vpx::Vp8::default()),
            C::VP9 => Syntax::Vp9(vpx::Vp9::default()),
            C::AV1 => Syntax::Av1(av1::Av1::default()),
            C::FFV1 => Syntax::Plain,
            _ if is_intra(codec) => Syntax::Intra,
            _ => Syntax::Unknown,
        };
        Self { syntax }
    }

    /// Whether pictures of further layers were seen, which no decoder here shows (other views, alpha).
    pub(crate) fn has_layers(&self) -> bool {
        matches!(&self.syntax, Syntax::Nal(nal) if nal.layered)
    }

    /// What the packet with this payload is; `key` is the container's flag.
    pub(crate) fn look(&mut self, data: &[u8], key: bool) -> Look {
        if data.is_empty() {
            return Look::Odd;
        }
        match &mut self.syntax {
            Syntax::Intra => Look::Frame(Entry::Closed),
            Syntax::Nal(nal) => nal.look(data, key),
            Syntax::Mpeg2(mpeg2) => mpeg2.look(data),
            Syntax::Vp8(vp8) => vp8.look(data),
            Syntax::Vp9(vp9) => vp9.look(data),
            Syntax::Av1(av1) => av1.look(data),
            Syntax::Plain => Look::Frame(if key { Entry::Closed } else { Entry::None }),
            Syntax::Unknown => Look::Odd,
        }
    }
}
