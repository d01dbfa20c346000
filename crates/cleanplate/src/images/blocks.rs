//! What image files carry beside their pixels, taken over byte for byte where input and output are of one format.
//!
//! PNG: chunks (W3C PNG, clause 5). JPEG: marker segments (ITU-T T.81, annex B). TIFF: the list of directories (TIFF 6.0,
//! section 2).

/// Chunks of PNG that belong to its samples, or to an animation: all others are taken over.
const PNG_OWN: [&[u8; 4]; 11] =
    [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"sBIT", b"bKGD", b"hIST", b"acTL", b"fcTL", b"fdAT"];

/// The chunks of a PNG as `(type, whole chunk, whether it comes after the samples)`; broken ends are left out.
fn png_chunks(bytes: &[u8]) -> Vec<([u8; 4], &[u8], bool)> {
    let (mut at, mut late, mut chunks) = (8, false, Vec::new());
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let kind = [head[4], head[5], head[6], head[7]];
        let Some(whole) = at.checked_add(length).and_then(|n| n.checked_add(12)).and_then(|end| bytes.get(at..end))
        else {
            break;
        };
        late |= &kind == b"IDAT";
        chunks.push((kind, whole, late));
        at += whole.len();
    }
    chunks
}

/// `encoded` with every chunk of `source` that does not belong to its samples, before or after them as it was there.
pub(super) fn png_with(encoded: &[u8], source: &[u8]) -> Vec<u8> {
    let kept = png_chunks(source);
    let kept = kept.iter().filter(|(kind, ..)| !PNG_OWN.contains(&kind));
    let mut out = encoded[..8.min(encoded.len())].to_vec();
    for (kind, whole, _) in png_chunks(encoded) {
        match &kind {
            b"IHDR" => {
                out.extend_from_slice(whole);
                kept.clone().filter(|k| !k.2).for_each(|k| out.extend_from_slice(k.1));
            }
            b"IEND" => {
                kept.clone().filter(|k| k.2).for_each(|k| out.extend_from_slice(k.1));
                out.extend_from_slice(whole);
            }
            b"IDAT" | b"PLTE" | b"tRNS" => out.extend_from_slice(whole),
            // The encoder's own words give way to the source's.
            _ => {}
        }
    }
    out
}

/// Whether a PNG announces an animation.
pub(super) fn is_animated_png(bytes: &[u8]) -> bool {
    png_chunks(bytes).iter().any(|(kind, ..)| kind == b"acTL")
}

/// A segment of a JPEG: its marker and all its bytes.
type Segment<'a> = (u8, &'a [u8]);

/// The marker segments of a JPEG up to its samples, and where the first of those segments that are not before them starts.
fn jpeg_segments(bytes: &[u8]) -> (Vec<Segment<'_>>, usize) {
    let (mut at, mut segments) = (2, Vec::new());
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        if marker == 0xff {
            at += 1;
            continue;
        }
        let Some(whole) = bytes.get(at..at + 2 + usize::from(u16::from_be_bytes([high, low]))) else { break };
        if marker == 0xda {
            break;
        }
        segments.push((marker, whole));
        at += whole.len();
    }
    (segments, at)
}

/// Whether a segment says something about the picture that holds for the new samples too: JFIF, EXIF, XMP, ICC, IPTC and
/// comments. Others describe the old samples (Adobe's transform) or point to old places (pictures after the end).
fn is_carried((marker, whole): &Segment<'_>) -> bool {
    match marker {
        0xe0 | 0xe1 | 0xed | 0xfe => true,
        0xe2 => whole[4..].starts_with(b"ICC_PROFILE\0"),
        _ => false,
    }
}

/// `encoded` with the segments of `source` that [`is_carried`] names instead of its own.
pub(super) fn jpeg_with(encoded: &[u8], source: &[u8]) -> Vec<u8> {
    let mut out = encoded[..2.min(encoded.len())].to_vec();
    let (kept, _) = jpeg_segments(source);
    kept.iter().filter(|s| is_carried(s)).for_each(|(_, whole)| out.extend_from_slice(whole));
    let (own, samples) = jpeg_segments(encoded);
    let own = own.iter().filter(|(marker, _)| !matches!(marker, 0xe0..=0xef | 0xfe));
    own.for_each(|(_, whole)| out.extend_from_slice(whole));
    out.extend_from_slice(encoded.get(samples..).unwrap_or_default());
    out
}

/// What a JPEG carries that is not taken over, in words.
pub(super) fn jpeg_left(source: &[u8]) -> Vec<String> {
    let (segments, _) = jpeg_segments(source);
    let left = segments.iter().filter(|s| matches!(s.0, 0xe0..=0xef) && s.0 != 0xee && !is_carried(s));
    left.map(|(marker, whole)| {
        let name: String = whole[4..].iter().take_while(|b| b.is_ascii_graphic()).map(|b| *b as char).collect();
        format!("segment APP{} {name}", marker & 15)
    })
    .collect()
}

/// Components of a JPEG's frame: 1 is gray, 3 colour, 4 print; `None` where it has no frame.
pub(super) fn jpeg_components(source: &[u8]) -> Option<u8> {
    let (segments, _) = jpeg_segments(source);
    let frame = segments.iter().find(|(m, _)| matches!(m, 0xc0..=0xcf) && !matches!(m, 0xc4 | 0xc8 | 0xcc))?;
    frame.1.get(9).copied()
}

/// What the first directory of a TIFF says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TiffFacts {
    /// Whether another picture follows.
    pub(super) more: bool,
    /// Tags of the first picture.
    pub(super) tags: Vec<u16>,
}

/// Reads the first directory of a classic TIFF; `None` for BigTIFF and what is broken.
pub(super) fn tiff_facts(bytes: &[u8]) -> Option<TiffFacts> {
    let little = match bytes.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let b = bytes.get(at..at + 2)?;
        Some(if little { u16::from_le_bytes([b[0], b[1]]) } else { u16::from_be_bytes([b[0], b[1]]) })
    };
    let long = |at: usize| {
        let b = bytes.get(at..at + 4)?;
        let b = [b[0], b[1], b[2], b[3]];
        Some(if little { u32::from_le_bytes(b) } else { u32::from_be_bytes(b) } as usize)
    };
    let first = long(4)?;
    let count = usize::from(short(first)?);
    let tags = (0..count).filter_map(|n| short(first + 2 + 12 * n)).collect();
    Some(TiffFacts { more: long(first + 2 + 12 * count).is_some_and(|next| next > 0), tags })
}

/// An EXIF block that says the orientation (1..=8) and nothing else.
pub(super) fn exif_of(orientation: u8) -> Vec<u8> {
    let mut block = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    block.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0, 0]);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_files_give_what_is_whole_and_never_panic() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x01tEXtaCRC1\xff\xff\xff\xffIDAT";
        assert_eq!(png_chunks(png).len(), 1);
        for bytes in
            [&b""[..], b"\xff", b"\xff\xd8\xff", b"\xff\xd8\xff\xe1\xff\xff", b"II*\0\xff\xff\xff\xff", b"MM\0*"]
        {
            png_with(bytes, bytes);
            jpeg_with(bytes, bytes);
            assert_eq!(jpeg_components(bytes), None);
            assert_eq!(tiff_facts(bytes), None);
        }
    }

    #[test]
    fn segments_that_hold_for_new_samples_are_carried() {
        let segment = |marker: u8, body: &[u8]| {
            let length = (body.len() as u16 + 2).to_be_bytes();
            [&[0xff, marker], &length[..], body].concat()
        };
        let exif = segment(0xe1, b"Exif\0\0stuff");
        let source =
            [b"\xff\xd8".to_vec(), exif.clone(), segment(0xe2, b"MPF\0x"), segment(0xee, b"Adobe"), segment(0xda, b"")]
                .concat();
        let encoded =
            [b"\xff\xd8".to_vec(), segment(0xe0, b"JFIF\0"), segment(0xdb, b"table"), segment(0xda, b"scan")].concat();
        let out = jpeg_with(&encoded, &source);
        let wanted = [b"\xff\xd8".to_vec(), exif, segment(0xdb, b"table"), segment(0xda, b"scan")].concat();
        assert_eq!(out, wanted);
        assert_eq!(jpeg_left(&source), ["segment APP2 MPF"]);
    }
}
