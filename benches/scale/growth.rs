//! Figures over sizes, as a table and a JSON file, and what one more of each costs.

use serde::Serialize;

use super::support::{Outcome, Plan, Plot, Spread, number, position_or_push};

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Growth {
    benchmark: &'static str,
    shardgate: &'static str,
    cores: usize,
    rounds: usize,
    turn_seconds: f64,
    axes: Vec<Axis>,
}

/// One thing that grows.
#[derive(Serialize)]
struct Axis {
    name: &'static str,
    measures: Vec<Measure>,
}

#[derive(Serialize)]
struct Measure {
    name: &'static str,
    sizes: Vec<Size>,
    /// By how much the figure grows with each one more: the slope of the straight line that is nearest to the medians (least squares).
    /// Of a rate it would say nothing.
    slope: Option<f64>,
}

#[derive(Serialize)]
struct Size {
    size: usize,
    /// A figure each, in the order of the rounds.
    rounds: Vec<f64>,
    median: f64,
}

impl Growth {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            benchmark: "scale",
            shardgate: env!("CARGO_PKG_VERSION"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            rounds: plan.rounds(),
            turn_seconds: plan.turn().as_secs_f64(),
            axes: Vec::new(),
        }
    }

    /// Adds one round's figure at a size.
    pub(crate) fn add(&mut self, axis: &'static str, size: usize, measure: &'static str, figure: f64) {
        let at = position_or_push(&mut self.axes, |found| found.name == axis, || Axis { name: axis, measures: Vec::new() });
        let measures = &mut self.axes[at].measures;
        let at = position_or_push(
            measures,
            |found| found.name == measure,
            || Measure { name: measure, sizes: Vec::new(), slope: None },
        );
        let sizes = &mut measures[at].sizes;
        let at = position_or_push(sizes, |found| found.size == size, || Size { size, rounds: Vec::new(), median: 0.0 });
        sizes[at].rounds.push(figure);
    }

    /// Works out medians and slopes, prints the tables and writes the file.
    pub(crate) fn finish(mut self) -> Outcome<()> {
        for measure in self.axes.iter_mut().flat_map(|axis| &mut axis.measures) {
            measure.sizes.sort_by_key(|size| size.size);
            for size in &mut measure.sizes {
                size.median = Spread::of(&size.rounds).median;
            }
            let points: Vec<_> = measure.sizes.iter().map(|size| (size.size as f64, size.median)).collect();
            measure.slope = slope(&points).filter(|_| !measure.name.ends_with("/s"));
        }
        println!("\nscale: {} rounds of {} s, {} cores; median (least .. greatest)", self.rounds, self.turn_seconds, self.cores);
        self.axes.iter().for_each(Axis::print);
        self.axes.iter().try_for_each(Axis::plot)?;
        let path = Plan::directory()?.join("scale.json");
        std::fs::write(&path, serde_json::to_vec_pretty(&self)?)?;
        println!("\nAll rounds: {}", path.display());
        Ok(())
    }
}

impl Axis {
    fn print(&self) {
        println!("\n| {} | {} |", self.name, self.row(|measure| measure.name.to_owned()));
        println!("|---:{}|", "|---:".repeat(self.measures.len()));
        let sizes = self.measures.first().map(|measure| &*measure.sizes).unwrap_or_default();
        for (at, Size { size, .. }) in sizes.iter().enumerate() {
            let figures = self.row(|measure| Spread::of(&measure.sizes[at].rounds).to_string());
            println!("| {size} | {figures} |");
        }
        if sizes.len() > 1 {
            println!("| each | {} |", self.row(Measure::each));
        }
    }

    /// Draws what is measured in one unit into one chart.
    fn plot(&self) -> Outcome<()> {
        for (unit, what) in [("ms", "start"), ("MB", "memory"), ("MB/s", "rates")] {
            let drawn = || self.measures.iter().filter(|measure| measure.unit() == unit);
            let Some(sizes) = drawn().next().map(|measure| &measure.sizes).filter(|sizes| sizes.len() > 1) else { continue };
            let title = format!("{what} over {}, {unit}", self.name);
            let mut plot = Plot::over_sizes(title, self.name, sizes.iter().map(|size| size.size));
            for measure in drawn() {
                let name = measure.name.rsplit_once(", ").map_or(measure.name, |(name, _)| name);
                plot.add(name, measure.sizes.iter().map(|size| &*size.rounds));
            }
            plot.write(&format!("scale-{what}-over-{}", self.name.replace(", ", "-").replace([' ', ','], "-")))?;
        }
        Ok(())
    }

    fn row(&self, cell: impl Fn(&Measure) -> String) -> String {
        self.measures.iter().map(cell).collect::<Vec<_>>().join(" | ")
    }
}

impl Measure {
    fn unit(&self) -> &'static str {
        self.name.rsplit_once(", ").map_or("", |(_, unit)| unit)
    }

    /// What one more costs, a thousandth of the unit being the unit; of a rate, how much of it is left at the end.
    fn each(&self) -> String {
        let slope = self.slope.map(|slope| slope * 1e3);
        match (slope, self.unit(), &*self.sizes) {
            (Some(micros), "ms", _) => format!("{} µs", number(micros)),
            (Some(kilobytes), ..) => format!("{} KB", number(kilobytes)),
            (None, _, [first, .., last]) => format!("last by first × {:.2}", last.median / first.median),
            _ => String::new(),
        }
    }
}

/// The slope of the straight line with the least squares of distances to the points.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let square = points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>();
    let product = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>();
    (square > 0.0).then_some(product / square)
}
