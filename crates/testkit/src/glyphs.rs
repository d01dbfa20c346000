//! Letters as strokes, drawn for this project: enough for marks and the labels of a sheet.

use crate::shape::Segment;

/// Columns of the grid that a glyph is drawn on; rows are 0 (cap height) to 6 (baseline).
const GRID: f64 = 4.0;
/// From the left edge of one glyph to the next, in cells of the grid.
const ADVANCE: f64 = 5.8;

/// Strokes of `letter`: lines apart by a blank, the points of a line as pairs of digits (column, row).
const fn strokes(letter: char) -> &'static str {
    match letter {
        'A' => "0612203246 1434",
        'B' => "06003041423303 3344453606",
        'C' => "4130100105163645",
        'D' => "0600304145360600",
        'E' => "40000646 0333",
        'F' => "400006 0333",
        'G' => "413010010516364543 4323",
        'H' => "0006 4046 0343",
        'I' => "2026 1030 1636",
        'J' => "4045361605",
        'K' => "0006 400346",
        'L' => "000646",
        'M' => "0600234046",
        'N' => "06004640",
        'O' => "103041453616050110",
        'P' => "06003041423303",
        'Q' => "103041453616050110 2446",
        'R' => "06003041423303 2346",
        'S' => "413010010213334445361605",
        'T' => "0040 2026",
        'U' => "000516364540",
        'V' => "002640",
        'W' => "0016233640",
        'X' => "0046 4006",
        'Y' => "002340 2326",
        'Z' => "00400646",
        '0' => "103041453616050110 1531",
        '1' => "112026 1636",
        '2' => "01103041420646",
        '3' => "01103041423313 334445361605",
        '4' => "3630043444",
        '5' => "400002334445361605",
        '6' => "4130100105163645443303",
        '7' => "004026",
        '8' => "103041423313020110 1304051636454433",
        '9' => "4313020110304145361605",
        '.' => "2625",
        ',' => "2516",
        ':' => "2122 2425",
        '-' => "1333",
        '+' => "1333 2224",
        '/' => "0640",
        '=' => "1232 1434",
        '(' => "30212536",
        ')' => "10212516",
        _ => "",
    }
}

/// The strokes of `text` (capital letters, digits and some signs; others are blank) with capitals `height` samples tall and
/// the upper left end of the first at `origin`.
pub(crate) fn write(text: &str, origin: (f64, f64), height: f64) -> Vec<Segment> {
    let unit = height / 6.0;
    let mut lines = Vec::new();
    for (letter, index) in text.chars().zip(0u32..) {
        let left = origin.0 + f64::from(index) * ADVANCE * unit;
        for line in strokes(letter.to_ascii_uppercase()).split(' ') {
            let digits: Vec<f64> = line.bytes().map(|digit| f64::from(digit - b'0')).collect();
            let points: Vec<(f64, f64)> =
                digits.chunks_exact(2).map(|p| (left + p[0] * unit, origin.1 + p[1] * unit)).collect();
            lines.extend(points.windows(2).map(|pair| Segment { from: pair[0], to: pair[1] }));
        }
    }
    lines
}

/// Columns that `text` takes when its capitals are `height` samples tall, without the width of the pen.
pub(crate) fn width(text: &str, height: f64) -> f64 {
    let gaps = text.chars().count().saturating_sub(1) as f64;
    (gaps * ADVANCE + GRID) * height / 6.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_has_strokes_inside_its_cell_and_no_two_look_alike() {
        let all = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:-+/=()";
        let mut seen = Vec::new();
        for letter in all.chars() {
            for line in strokes(letter).split(' ') {
                assert!(line.len() >= 4 && line.len() % 2 == 0, "{letter}: {line}");
                assert!(line.bytes().step_by(2).all(|c| (b'0'..=b'4').contains(&c)), "{letter}: {line}");
                assert!(line.bytes().skip(1).step_by(2).all(|r| (b'0'..=b'6').contains(&r)), "{letter}: {line}");
            }
            assert!(!seen.contains(&strokes(letter)), "{letter}");
            seen.push(strokes(letter));
        }
        assert!(write(" ", (0.0, 0.0), 6.0).is_empty());
    }

    #[test]
    fn text_is_as_wide_as_it_says() {
        let lines = write("HEM", (10.0, 4.0), 12.0);
        let right = lines.iter().flat_map(|l| [l.from.0, l.to.0]).fold(0.0, f64::max);
        assert!((right - (10.0 + width("HEM", 12.0))).abs() < 1e-9);
        let bottom = lines.iter().flat_map(|l| [l.from.1, l.to.1]).fold(0.0, f64::max);
        assert!((bottom - 16.0).abs() < 1e-9);
    }
}
