//! Writes one picture with every scenery and every mark, to be looked at: `contact_sheet OUT.png`.

use cleanplate_testkit::{Clip, Mark, MarkKind, Motion, Picture, Scenery, Shot};

fn main() -> std::io::Result<()> {
    let path = std::env::args().nth(1).ok_or_else(|| std::io::Error::other("usage: contact_sheet OUT.png"))?;
    let size = (480, 270);
    let mut rows = Vec::new();
    for (scenery, kinds) in Scenery::ALL.iter().zip(MarkKind::ALL.chunks(2).cycle()) {
        let shot = Shot { movers: 2, grain: 1.0, ..Shot::new(*scenery, Motion::Handheld { reach: 8.0 }, 10) };
        let mut row = Vec::new();
        for (kind, idx) in kinds.iter().zip([0, 9]) {
            let Some(mut frame) = Clip::new(1, size, &[shot]).frame(idx) else { continue };
            let mark = Mark::draw(*kind, kind.corner(size.0, size.1));
            mark.apply(&mut frame);
            row.push((format!("{scenery:?}"), Picture::of(&frame, frame.bounds())));
            let close = mark.rect().grow(6, size.0, size.1);
            row.push((format!("{kind:?}"), Picture::of(&frame, close).enlarged(2)));
        }
        rows.push(row);
    }
    let rows: Vec<Vec<(&str, Picture)>> =
        rows.iter().map(|row| row.iter().map(|(label, picture)| (label.as_str(), picture.clone())).collect()).collect();
    Picture::sheet(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>()).write_png(std::path::Path::new(&path))
}
