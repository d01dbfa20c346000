//! By how much a stream was quantised, as its decoder tells of each picture.

use std::sync::Arc;

use super::reader::VideoReader;
use super::survey::Survey;
use crate::av::{AvFrame, ffi};
use crate::error::Result;

/// Places of a stream that are looked at, and frames at each: some pictures that others lean on.
const PLACES: u64 = 3;
const FRAMES: u64 = 16;

/// libav's `AVVideoEncParams` up to what is read of it, and `AVVideoBlockParams`.
#[repr(C)]
struct Head {
    blocks: u32,
    offset: usize,
    size: usize,
    kind: i32,
    quantiser: i32,
}

#[repr(C)]
struct Block {
    _place: [i32; 4],
    more: i32,
}

/// Of which codec the numbers are: libav's `AV_VIDEO_ENC_PARAMS_H264`.
const H264: i32 = 1;

/// How much a picture was quantised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// Whether it leans on others, which lean on it in turn.
    is_predicted: bool,
    /// The mean quantiser.
    quantiser: f32,
}

/// The mean quantiser of a picture of H.264 that others lean on: 0 to 51, where 6 more double the step.
pub(super) fn of(frame: &AvFrame) -> Option<Told> {
    let av = frame.get();
    if av.pict_type == ffi::AVPictureType::B {
        return None;
    }
    let is_predicted = av.pict_type == ffi::AVPictureType::P;
    // SAFETY: the frame is valid, and what is found in it lives as long.
    let bytes = unsafe {
        let data = ffi::av_frame_get_side_data(av, ffi::AVFrameSideDataType::VIDEO_ENC_PARAMS);
        let data = data.as_ref()?;
        std::slice::from_raw_parts(data.data, data.size)
    };
    let head: Head = read(bytes, 0)?;
    if head.kind != H264 {
        return None;
    }
    let mut sum = 0.0;
    for n in 0..head.blocks as usize {
        let block: Block = read(bytes, head.offset.checked_add(n.checked_mul(head.size)?)?)?;
        sum += f64::from(head.quantiser.saturating_add(block.more));
    }
    Some(Told { is_predicted, quantiser: (sum / f64::from(head.blocks.max(1))) as f32 })
}

/// What lies at a place of `bytes`, where all of it does. `T` holds numbers alone.
fn read<T>(bytes: &[u8], at: usize) -> Option<T> {
    let part = bytes.get(at..at.checked_add(size_of::<T>())?)?;
    // SAFETY: as many bytes as it takes, of which any are a number; it need not be aligned.
    Some(unsafe { part.as_ptr().cast::<T>().read_unaligned() })
}

/// The mean over places of a stream; `None` where its decoder does not tell.
pub(super) fn measured(survey: &Arc<Survey>) -> Result<Option<f32>> {
    if survey.decoding.get().codec_id != ffi::AVCodecID::H264 {
        return Ok(None);
    }
    let count = survey.index.frames.len() as u64;
    let (mut reader, mut seen) = (VideoReader::measuring(Arc::clone(survey), 1)?, 0);
    for place in 0..PLACES {
        // Where decoding can begin, so that nothing before it is decoded for it.
        let start = survey.index.start_for(count * place / PLACES);
        let from = start.and_then(|start| survey.index.by_packet.get(&start.packet)).copied().unwrap_or(0);
        if from < seen {
            continue;
        }
        reader.seek(from)?;
        seen = (from + FRAMES).min(count);
        for _ in from..seen {
            reader.read()?;
        }
    }
    // Key pictures are quantised less than what follows them, by more or less.
    let told = reader.quantisers();
    let predicted = told.iter().any(|told| told.is_predicted);
    let counted = told.iter().filter(|told| told.is_predicted == predicted).map(|told| told.quantiser);
    let (sum, count) = counted.fold((0.0, 0.0f32), |(sum, count), quantiser| (sum + quantiser, count + 1.0));
    Ok((count > 0.0).then(|| sum / count))
}
