//! Charts of lines, as SVG.

use std::fmt::Write as _;

use super::{Outcome, Plan, Spread, number};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 430.0;
/// Where the lines are drawn: left, right, top, bottom.
const LEFT: f64 = 80.0;
const RIGHT: f64 = WIDTH - 30.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = HEIGHT - 55.0;
/// Distinct for most who see colours differently, and dark enough on white.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00", "#444444"];
/// Horizontal lines of a linear chart, about.
const LINES: f64 = 6.0;

/// How the figures go up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Evenly, from 0.
    Linear,
    /// Each power of ten as far as the one before.
    Logarithmic,
}

/// A chart.
pub(crate) struct Plot {
    title: String,
    x_label: &'static str,
    scale: Scale,
    /// Places along the x axis and what is written there, from left to right.
    ticks: Vec<(f64, String)>,
    curves: Vec<Curve>,
}

struct Curve {
    name: String,
    /// A tick's number, and what was measured there.
    points: Vec<(usize, Spread)>,
}

impl Plot {
    /// A chart without lines; the title has the unit of what goes up.
    pub(crate) fn new(title: String, x_label: &'static str, scale: Scale, ticks: Vec<(f64, String)>) -> Self {
        Self { title, x_label, scale, ticks, curves: Vec::new() }
    }

    /// Sizes along the x axis, each power of ten as far as the one before.
    pub(crate) fn over_sizes(title: String, x_label: &'static str, sizes: impl Iterator<Item = usize>) -> Self {
        let ticks = sizes.map(|size| ((size as f64).log10(), size.to_string()));
        Self::new(title, x_label, Scale::Linear, ticks.collect())
    }

    /// Adds a line: at each tick the figures of all rounds, of which the median is drawn, and a bar from the least to the greatest.
    /// It ends where there are none.
    pub(crate) fn add<'a>(&mut self, name: &str, figures: impl Iterator<Item = &'a [f64]>) {
        let points = figures.enumerate().filter(|(_, rounds)| !rounds.is_empty());
        let points = points.map(|(tick, rounds)| (tick, Spread::of(rounds))).collect();
        self.curves.push(Curve { name: name.to_owned(), points });
    }

    /// Writes `target/bench/NAME.svg`, unless there is nothing to draw.
    pub(crate) fn write(&self, name: &str) -> Outcome<()> {
        let figures = || self.curves.iter().flat_map(|curve| &curve.points).map(|(_, figure)| figure);
        if figures().next().is_none() {
            return Ok(());
        }
        let (least, greatest) =
            (figures().map(|it| it.least).fold(f64::MAX, f64::min), figures().map(|it| it.greatest).fold(0.0, f64::max));
        let path = Plan::directory()?.join(format!("{name}.svg"));
        std::fs::write(&path, self.draw(&self.lines(least, greatest))?)?;
        println!("Plot: {}", path.display());
        Ok(())
    }

    /// The figures at which there are horizontal lines: the first is at the bottom, the last at the top.
    fn lines(&self, least: f64, greatest: f64) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let rough = (greatest / LINES).max(f64::MIN_POSITIVE);
                let power = 10_f64.powf(rough.log10().floor());
                let step =
                    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= rough).unwrap_or(rough);
                (0..=(greatest / step).ceil() as u32).map(|line| f64::from(line) * step).collect()
            }
            Scale::Logarithmic => {
                let (first, last) = (least.log10().floor() as i32, greatest.log10().ceil() as i32);
                (first..=last.max(first + 1)).map(|power| 10_f64.powi(power)).collect()
            }
        }
    }

    fn draw(&self, lines: &[f64]) -> Result<String, std::fmt::Error> {
        let measure = |figure: f64| if self.scale == Scale::Linear { figure } else { figure.log10() };
        let place = |figure: f64, first: f64, last: f64| if last > first { (figure - first) / (last - first) } else { 0.5 };
        let (first, last) = (self.ticks.first().map_or(0.0, |tick| tick.0), self.ticks.last().map_or(0.0, |tick| tick.0));
        let x = |tick: usize| LEFT + 20.0 + place(self.ticks[tick].0, first, last) * (RIGHT - LEFT - 40.0);
        let (bottom, top) = (measure(lines[0]), measure(lines[lines.len() - 1]));
        let y = |figure: f64| BOTTOM - place(measure(figure), bottom, top) * (BOTTOM - TOP);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">{}</text>\n",
            escaped(&self.title)
        );
        for line in lines {
            let (at, label) = (y(*line), short(*line));
            writeln!(svg, "<line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#dddddd\"/>")?;
            writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", LEFT - 8.0, at + 4.0)?;
        }
        for (tick, (_, label)) in self.ticks.iter().enumerate() {
            let (at, below) = (x(tick), BOTTOM + 20.0);
            writeln!(svg, "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{}</text>", escaped(label))?;
        }
        let (middle, below) = ((LEFT + RIGHT) / 2.0, HEIGHT - 12.0);
        writeln!(svg, "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{}</text>", escaped(self.x_label))?;
        let mut legend = LEFT;
        for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            writeln!(svg, "<rect x=\"{legend:.0}\" y=\"38\" width=\"14\" height=\"14\" fill=\"{colour}\"/>")?;
            writeln!(svg, "<text x=\"{:.0}\" y=\"50\">{}</text>", legend + 20.0, escaped(&curve.name))?;
            legend += 40.0 + 7.5 * curve.name.chars().count() as f64;
            let path: Vec<_> = curve.points.iter().map(|(tick, it)| format!("{:.1},{:.1}", x(*tick), y(it.median))).collect();
            writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", path.join(" "))?;
            for (tick, it) in &curve.points {
                let (at, median, least, greatest) = (x(*tick), y(it.median), y(it.least), y(it.greatest));
                writeln!(
                    svg,
                    "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{least:.1}\" y2=\"{greatest:.1}\" stroke=\"{colour}\"/>"
                )?;
                writeln!(svg, "<circle cx=\"{at:.1}\" cy=\"{median:.1}\" r=\"4\" fill=\"{colour}\"/>")?;
            }
        }
        svg.push_str("</svg>\n");
        Ok(svg)
    }
}

/// Without places that say nothing.
fn short(figure: f64) -> String {
    if figure.fract() == 0.0 || figure < 0.01 { figure.to_string() } else { number(figure) }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
