//! Frames to packets, in a file without a name that goes with its owner, or to a video of their own.
//!
//! Refuses to know what the frames show.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::ops::ControlFlow;
use std::path::Path;

use cleanplate_core::Frame;
use cleanplate_media::encode::{Encoder, EncoderSpec, StaticSideData};
use cleanplate_media::pack::{PackHeader, PackReader, PackWriter, StreamParameters};
use cleanplate_media::{Container, mux};

use crate::assemble::Partial;
use crate::error::{Error, Result};
use crate::line::Cancel;

/// An encoder by `spec`, and what heads the packets that it will give.
pub(crate) fn begun(spec: &EncoderSpec, hdr: &StaticSideData, key: &str) -> Result<(Encoder, PackHeader)> {
    let encoder = Encoder::open(spec, hdr)?;
    let header = PackHeader {
        engine: format!("cleanplate {}", env!("CARGO_PKG_VERSION")),
        key: key.to_owned(),
        time_base: spec.time_base,
        stream: StreamParameters::from_av(&encoder.parameters()?),
    };
    Ok((encoder, header))
}

/// An encoder and its packets so far.
pub(crate) struct Film {
    encoder: Encoder,
    pack: PackWriter<BufWriter<File>>,
}

/// The packets of a film that has ended, as [`mux`](cleanplate_media::mux) takes them.
pub(crate) type Packets = cleanplate_media::Result<PackReader<BufReader<File>>>;

impl Film {
    /// One that is encoded by `spec`. `key` names it where its packets are found broken.
    pub(crate) fn open(spec: &EncoderSpec, hdr: &StaticSideData, key: &str) -> Result<Self> {
        let (encoder, header) = begun(spec, hdr, key)?;
        let file = tempfile::tempfile().map_err(Error::io("make a file in", std::env::temp_dir()))?;
        Ok(Self { encoder, pack: PackWriter::new(BufWriter::new(file), &header)? })
    }

    /// Adds the next frame in the order in which they are shown.
    pub(crate) fn push(&mut self, frame: Frame) -> Result<()> {
        let Self { encoder, pack } = self;
        Ok(encoder.push(frame, &mut |packet| pack.push(packet))?)
    }

    /// From the next frame on none is coded after one that is shown later; see [`Encoder::stop_reordering`].
    pub(crate) fn stop_reordering(&mut self) {
        self.encoder.stop_reordering();
    }

    /// Ends it, unless `cancel` is set before the encoder has handed over all that it holds, which may take as long as dozens of frames.
    pub(crate) fn finish(self, cancel: &Cancel) -> Result<Packets> {
        let Self { encoder, mut pack } = self;
        encoder.finish(&mut |packet| {
            cancel.check().map_err(|_| cleanplate_media::Error::Cancelled)?;
            pack.push(packet)
        })?;
        let failed = || Error::io("write", std::env::temp_dir());
        let mut writer = pack.finish()?;
        writer.flush().map_err(failed())?;
        let mut file = writer.into_inner().map_err(|e| failed()(e.into_error()))?;
        file.rewind().map_err(failed())?;
        Ok(PackReader::open(BufReader::new(file)))
    }

    /// Ends it and writes it as a file of its own, whole or not at all. One that is there is replaced.
    pub(crate) fn write(self, out: &Path, container: Container) -> Result<()> {
        let mut packs = std::iter::once(self.finish(&Cancel::default())?);
        let partial = Partial::new(out)?;
        mux::assemble_alone(&mut packs, &partial.0, container, &mut |_, _| ControlFlow::Continue(()))?;
        Ok(mux::commit(&partial.0, out, true)?)
    }
}
