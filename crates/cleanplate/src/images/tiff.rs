//! TIFF files: all tags of the first picture that do not describe its samples are taken over, EXIF and GPS among them.
//!
//! Tags by their numbers in TIFF 6.0 and the EXIF standard; samples are written without loss (LZW).

use std::io::Cursor;

use image::metadata::Orientation;
use tiff::TiffResult;
use tiff::decoder::Decoder;
use tiff::encoder::colortype::{ColorType, Gray8, Gray16, RGB8, RGB16};
use tiff::encoder::{Compression, DirectoryEncoder, TiffEncoder, TiffKindStandard, TiffValue};
use tiff::tags::{ExtraSamples, IfdPointer, Tag, Type, ValueBuffer};

/// Tags that say how and where samples are stored: the new file has its own.
const STRUCTURE: [u16; 29] = [
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 292, 293, 317, 320, 322,
    323, 324, 325, 338, 339, 347,
];

/// Tags that point to other directories or depend on places in the old file.
const POINTERS: [u16; 5] = [330, 0x8769, 0x8825, 0xa005, 0x927c];

const ORIENTATION: u16 = 274;
const ICC: u16 = 34_675;
const XMP: u16 = 700;
const EXTRA_SAMPLES: u16 = 338;

/// What a TIFF carries beside its samples.
#[derive(Default)]
pub(super) struct Tags {
    picture: Vec<(u16, ValueBuffer)>,
    /// Sub-directories (EXIF, GPS) with their tags.
    folders: Vec<(u16, Vec<(u16, ValueBuffer)>)>,
    /// Alpha is multiplied into the colours already.
    associated: bool,
}

impl Tags {
    /// Reads them from a whole file.
    ///
    /// # Errors
    /// Where its directories are broken.
    pub(super) fn read(bytes: &[u8]) -> TiffResult<Self> {
        let mut decoder = Decoder::new(Cursor::new(bytes))?;
        let mut tags = Self::default();
        let first = decoder.ifd_pointer();
        let Some(first) = first else { return Ok(tags) };
        tags.picture = directory(&mut decoder, first, &STRUCTURE)?;
        for folder in [0x8769u16, 0x8825] {
            if let Some(at) = decoder.find_tag_unsigned::<u64>(Tag::from_u16_exhaustive(folder))? {
                tags.folders.push((folder, directory(&mut decoder, IfdPointer(at), &[])?));
            }
        }
        let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::from_u16_exhaustive(EXTRA_SAMPLES))?;
        tags.associated = extra.is_some_and(|list| list.first() == Some(&1));
        Ok(tags)
    }

    /// Those that another format's metadata becomes.
    pub(super) fn of(orientation: Orientation, icc: Option<&[u8]>, xmp: Option<&[u8]>) -> Self {
        let mut picture = vec![(ORIENTATION, ValueBuffer::from_value(&u16::from(orientation.to_exif())))];
        for (tag, bytes) in [(ICC, icc), (XMP, xmp)] {
            picture.extend(bytes.map(|bytes| (tag, ValueBuffer::from_value(&bytes))));
        }
        Self { picture, ..Self::default() }
    }
}

fn directory(
    decoder: &mut Decoder<Cursor<&[u8]>>,
    at: IfdPointer,
    without: &[u16],
) -> TiffResult<Vec<(u16, ValueBuffer)>> {
    let folder = decoder.read_directory(at)?;
    let numbers: Vec<u16> = folder.iter().map(|(tag, _)| tag.to_u16()).collect();
    let mut tags = Vec::new();
    let mut reader = decoder.read_directory_tags(&folder);
    for number in numbers.into_iter().filter(|n| !without.contains(n) && !POINTERS.contains(n)) {
        let mut value = ValueBuffer::empty(Type::BYTE);
        if reader.find_tag_buf(Tag::from_u16_exhaustive(number), &mut value)?.is_some() {
            value.set_byte_order(tiff::tags::ByteOrder::native());
            tags.push((number, value));
        }
    }
    Ok(tags)
}

/// Interleaved samples of a picture.
pub(super) enum Samples<'a> {
    Gray8(&'a [u8]),
    Gray16(&'a [u16]),
    Rgb8(&'a [u8]),
    Rgb16(&'a [u16]),
}

/// Writes a picture with `tags`; with `alpha` the last of each pixel's samples is its alpha.
///
/// # Errors
/// Where the picture is too large for the format.
pub(super) fn write(
    (width, height): (u32, u32),
    samples: &Samples<'_>,
    alpha: bool,
    tags: &Tags,
) -> TiffResult<Vec<u8>> {
    let mut out = Cursor::new(Vec::new());
    let mut file = TiffEncoder::new(&mut out)?.with_compression(Compression::Lzw);
    let mut pointers = Vec::new();
    for (tag, values) in &tags.folders {
        let mut folder = file.extra_directory()?;
        put(&mut folder, values)?;
        pointers.push((*tag, folder.finish_with_offsets()?.pointer.0 as u32));
    }
    let size = (width, height);
    match samples {
        Samples::Gray8(data) => picture::<Gray8>(&mut file, size, data, alpha, tags, &pointers)?,
        Samples::Gray16(data) => picture::<Gray16>(&mut file, size, data, alpha, tags, &pointers)?,
        Samples::Rgb8(data) => picture::<RGB8>(&mut file, size, data, alpha, tags, &pointers)?,
        Samples::Rgb16(data) => picture::<RGB16>(&mut file, size, data, alpha, tags, &pointers)?,
    }
    Ok(out.into_inner())
}

type File<'a> = TiffEncoder<&'a mut Cursor<Vec<u8>>, TiffKindStandard>;

fn picture<C: ColorType>(
    file: &mut File<'_>,
    (width, height): (u32, u32),
    samples: &[C::Inner],
    alpha: bool,
    tags: &Tags,
    pointers: &[(u16, u32)],
) -> TiffResult<()>
where
    [C::Inner]: TiffValue,
{
    let mut image = file.new_image::<C>(width, height)?;
    if alpha {
        let kind = if tags.associated { ExtraSamples::AssociatedAlpha } else { ExtraSamples::UnassociatedAlpha };
        image.extra_samples(&[kind])?;
    }
    put(image.encoder(), &tags.picture)?;
    for (tag, at) in pointers {
        image.encoder().write_tag(Tag::from_u16_exhaustive(*tag), *at)?;
    }
    image.write_data(samples)
}

fn put(
    folder: &mut DirectoryEncoder<'_, &mut Cursor<Vec<u8>>, TiffKindStandard>,
    values: &[(u16, ValueBuffer)],
) -> TiffResult<()> {
    values.iter().try_for_each(|(tag, value)| folder.write_tag_buf(Tag::from_u16_exhaustive(*tag), value))
}
