//! A video track on its own: maps, masks and clips that are made beside the worked-on file.

use std::fs::OpenOptions;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use super::output::Output;
use crate::error::{Error, Result};
use crate::pack::PackReader;
use crate::types::Container;

/// Writes `packs`, in order, as the only track of a new file `out` in `container` (MP4, QuickTime or Matroska). The
/// encoder must not have reordered frames: each packet's decoding time is its presentation time. The file is on the disk
/// when this returns.
///
/// # Errors
/// [`Error::Unsupported`] for other containers or what the container does not take, [`Error::Io`], [`Error::Cancelled`],
/// and what packs find broken.
pub fn assemble_alone<R: Read>(
    packs: &mut dyn Iterator<Item = Result<PackReader<R>>>,
    out: &Path,
    container: Container,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<()> {
    let muxer = match container {
        Container::Mp4 => "mp4",
        Container::Mov => "mov",
        Container::Mkv => "matroska",
        other => return Err(Error::unsupported(format!("a track on its own cannot be written as {other:?}"))),
    };
    let io = |action| move |source| Error::Io { action, path: out.to_owned(), source };
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(out).map_err(io("create"))?;
    let mut output = Output::new(muxer, file)?;
    let mut begun = false;
    let mut bytes = 0;
    for pack in packs {
        let mut pack = pack?;
        if !begun {
            output.add(&pack.parameters()?, pack.header().time_base)?;
            output.begin(&[])?;
            begun = true;
        }
        while let Some(mut packet) = pack.next()? {
            packet.get_mut().dts = packet.get().pts;
            bytes += packet.data().len() as u64;
            output.write(packet, 0)?;
            if progress(bytes, 0).is_break() {
                return Err(Error::Cancelled);
            }
        }
    }
    if !begun {
        return Err(Error::Internal("no segment to join".into()));
    }
    output.finish(|file| file.sync_all().map_err(io("sync")))
}
