//! The figures as bars: every job beside a plain transcode. Laid out once, then written as SVG or painted.

use std::fmt::Write as _;

use cleanplate_testkit::{Picture, Rect};

use super::{Bench, Row, table};

const WIDTH: u32 = 900;
const MARGIN: u32 = 24;
/// Columns left of the bars, for what they are.
const NAMES: u32 = 110;
/// Columns right of the longest bar, for its figure.
const FIGURES: u32 = 230;
const BAR: u32 = 14;

type Colour = [u8; 3];

const PAPER: Colour = [255, 255, 255];
const INK: Colour = [31, 41, 55];
const FAINT: Colour = [107, 114, 128];
const OURS: Colour = [29, 95, 175];
const WARNING: Colour = [180, 60, 20];
const PLAIN: Colour = [196, 203, 213];

/// What stands below all panels.
const NOTES: [&str; 2] = [
    "One run of each job on drawn clips. Each size has a scale of its own.",
    "A size is that of what the job makes: upscale, and the transcode beside it, start from half of it on both sides.",
];

/// A bar of one colour.
#[derive(Clone, Debug, PartialEq)]
struct Bar {
    rect: Rect,
    colour: Colour,
}

/// A line of words. `x` is where they begin, or end where they are `flush` to the right; `y` is the line that they stand on.
#[derive(Clone, Debug, PartialEq)]
struct Words {
    x: u32,
    y: u32,
    size: u32,
    colour: Colour,
    is_bold: bool,
    is_flush: bool,
    text: String,
}

/// Everything that is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    height: u32,
    bars: Vec<Bar>,
    words: Vec<Words>,
}

impl Plot {
    /// One panel for each size with a scale of its own: 4K beside 720p would be a line.
    pub(crate) fn of(bench: &Bench) -> Self {
        let mut plot = Self { height: 0, bars: Vec::new(), words: Vec::new() };
        let mut y = MARGIN + 18;
        plot.say((MARGIN, y), 20, INK, true, "Frames a second, against a plain transcode");
        y += 24;
        plot.say(
            (MARGIN, y),
            13,
            FAINT,
            false,
            &format!("cleanplate {}, {}", bench.engine, table::machine(&bench.machine)),
        );
        y += 26;
        plot.legend(y);
        y += 16;
        let mut sizes: Vec<&str> = Vec::new();
        for row in &bench.rows {
            if !sizes.contains(&row.size.as_str()) {
                sizes.push(&row.size);
            }
        }
        for size in sizes {
            let rows: Vec<&Row> = bench.rows.iter().filter(|row| row.size == size).collect();
            y = plot.panel(y, size, &rows);
        }
        for note in NOTES {
            y += 18;
            plot.say((MARGIN, y), 12, FAINT, false, note);
        }
        let disturbed = bench.rows.iter().filter(|row| row.transcode.unrest().is_some()).count();
        if disturbed > 0 {
            y += 18;
            let of = bench.rows.len();
            let words =
                format!("Something else kept the machine busy: {disturbed} of {of} rows are not to be relied on.");
            plot.say((MARGIN, y), 12, WARNING, false, &words);
        }
        plot.height = y + MARGIN;
        plot
    }

    fn say(&mut self, (x, y): (u32, u32), size: u32, colour: Colour, is_bold: bool, text: &str) {
        self.words.push(Words { x, y, size, colour, is_bold, is_flush: false, text: text.to_owned() });
    }

    fn legend(&mut self, y: u32) {
        let mut x = MARGIN;
        for (colour, text) in [(OURS, "the job"), (PLAIN, "decode and encode alone, same settings")] {
            self.bars.push(Bar { rect: Rect::new(x, y - 11, 12, 12), colour });
            self.say((x + 18, y), 13, INK, false, text);
            x += 110;
        }
    }

    /// The rows of one size below `y`; returns where they end.
    fn panel(&mut self, mut y: u32, size: &str, rows: &[&Row]) -> u32 {
        y += 30;
        let sides = rows.first().map(|row| format!("{size}, {}x{}", row.to.0, row.to.1)).unwrap_or_default();
        self.say((MARGIN, y), 15, INK, true, &sides);
        y += 12;
        let most = rows.iter().map(|row| row.fps.max(row.transcode.fps)).fold(1e-9, f64::max);
        let room = f64::from(WIDTH - 2 * MARGIN - NAMES - FIGURES);
        for row in rows {
            let left = MARGIN + NAMES;
            let figure = format!(
                "{} fps, {:.1} times as long, {} frames",
                table::rate(row.fps),
                row.times_transcode,
                row.frames
            );
            let plain = format!("{} fps", table::rate(row.transcode.fps));
            let text = row.job.to_owned();
            self.words.push(Words {
                x: left - 10,
                y: y + BAR + 4,
                size: 14,
                colour: INK,
                is_bold: false,
                is_flush: true,
                text,
            });
            for (fps, colour, text) in [(row.fps, OURS, figure), (row.transcode.fps, PLAIN, plain)] {
                // A pixel at least: there is a figure.
                let length = ((fps / most * room) as u32).max(1);
                self.bars.push(Bar { rect: Rect::new(left, y, length, BAR), colour });
                let ink = if colour == OURS { INK } else { FAINT };
                self.say((left + length + 6, y + BAR - 3), 12, ink, false, &text);
                y += BAR + 1;
            }
            y += 12;
        }
        y
    }

    /// As SVG.
    pub(crate) fn svg(&self) -> String {
        let hex = |[r, g, b]: Colour| format!("#{r:02x}{g:02x}{b:02x}");
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{0}\" viewBox=\"0 0 {WIDTH} {0}\" \
             font-family=\"sans-serif\">\n<rect width=\"{WIDTH}\" height=\"{0}\" fill=\"{1}\"/>\n",
            self.height,
            hex(PAPER)
        );
        for Bar { rect: Rect { x, y, w, h }, colour } in &self.bars {
            let _ = writeln!(out, "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"{}\"/>", hex(*colour));
        }
        for Words { x, y, size, colour, is_bold, is_flush, text } in &self.words {
            let weight = if *is_bold { " font-weight=\"bold\"" } else { "" };
            let anchor = if *is_flush { " text-anchor=\"end\"" } else { "" };
            let (fill, text) = (hex(*colour), escaped(text));
            let _ = writeln!(
                out,
                "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" fill=\"{fill}\"{weight}{anchor}>{text}</text>"
            );
        }
        out + "</svg>\n"
    }

    /// Painted, twice as large.
    pub(crate) fn picture(&self) -> Picture {
        const BY: u32 = 2;
        let mut out = Picture::plain(BY * WIDTH, BY * self.height, PAPER);
        for Bar { rect: Rect { x, y, w, h }, colour } in &self.bars {
            out.fill(Rect::new(BY * x, BY * y, BY * w, BY * h), *colour);
        }
        for Words { x, y, size, colour, is_flush, text, .. } in &self.words {
            // Capitals of the painted letters are wide for their height.
            let height = BY * size * 11 / 20;
            let width = Picture::text_width(text, height);
            let left = if *is_flush { (BY * x).saturating_sub(width) } else { BY * x };
            out.write(text, (left, (BY * y).saturating_sub(height)), height, *colour);
        }
        out
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bench, row};
    use super::*;

    fn plot() -> Plot {
        let rows = [("remove", "1080p", 20.0, 40.0), ("captions", "1080p", 5.0, 41.0), ("upscale", "4k", 0.01, 400.0)];
        Plot::of(&bench(rows.map(|(job, size, fps, plain)| row(job, size, fps, plain)).into()))
    }

    #[test]
    fn bars_lie_inside_apart_and_are_as_long_as_their_figures() {
        let plot = plot();
        let (legend, bars) = plot.bars.split_at(2);
        assert_eq!((legend.len(), bars.len()), (2, 6));
        let whole = Rect::new(0, 0, WIDTH, plot.height);
        for (k, bar) in plot.bars.iter().enumerate() {
            assert_eq!(bar.rect.intersect(&whole), bar.rect, "{bar:?}");
            assert!(plot.bars[..k].iter().all(|other| other.rect.intersect(&bar.rect).area() == 0), "{bar:?}");
        }
        let lengths: Vec<u32> = bars.iter().map(|bar| bar.rect.w).collect();
        let longest = WIDTH - 2 * MARGIN - NAMES - FIGURES;
        assert_eq!([lengths[3], lengths[5], lengths[4]], [longest, longest, 1], "a scale of its own for each size");
        assert!(lengths[0].abs_diff(longest * 20 / 41) <= 1, "{lengths:?}");
    }

    #[test]
    fn a_machine_that_was_busy_is_told_of_there_too() {
        let is_told = |plot: &Plot| plot.svg().contains("1 of 1 rows are not to be relied on");
        let mut row = row("captions", "4k", 1.0, 2.0);
        row.transcode.runs = [20.0, 20.5];
        assert!(!is_told(&Plot::of(&bench(vec![row.clone()]))));
        row.transcode.runs = [20.0, 30.0];
        assert!(is_told(&Plot::of(&bench(vec![row]))));
    }

    #[test]
    fn no_words_leave_the_picture() {
        let plot = plot();
        for words in &plot.words {
            // Letters of common fonts are 0.6 as wide as their size on average, bold ones too.
            let width = words.text.chars().count() as u32 * words.size * 6 / 10;
            let fits = if words.is_flush { width <= words.x } else { words.x + width <= WIDTH };
            // The name of a processor is as long as it is.
            assert!(fits || words.text.starts_with("cleanplate "), "{words:?}");
            assert!(words.y < plot.height, "{words:?}");
        }
    }

    #[test]
    fn the_plot_is_whole_as_text_and_as_pixels() {
        let plot = plot();
        let svg = plot.svg();
        assert!(
            svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains("A &amp; B &lt;2 GHz&gt;"),
            "{svg}"
        );
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        assert!(svg.contains(">20.0 fps, 2.0 times as long, 50 frames<"), "{svg}");
        let picture = plot.picture();
        assert_eq!(picture.size(), (2 * WIDTH, 2 * plot.height));
        let bar = plot.bars[3].rect;
        assert_eq!(picture.pixels().at(2 * bar.right() - 1, 2 * bar.y), PLAIN);
        assert_eq!(picture.pixels().at(2 * bar.right(), 2 * bar.y), PAPER);
    }
}
