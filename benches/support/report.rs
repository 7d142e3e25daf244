//! Figures of all rounds, as medians, spread and ratios: a table, and a JSON file.

use std::path::PathBuf;

use serde::Serialize;

use super::{Outcome, Plan};

/// What a benchmark has measured.
#[derive(Serialize)]
pub(crate) struct Report {
    benchmark: &'static str,
    shardgate: &'static str,
    cores: usize,
    rounds: usize,
    turn_seconds: f64,
    /// The subject to which the others' ratios are taken, or whose ratios to the others are.
    yardstick: &'static str,
    /// Whether ratios are the yardstick's figure by the other's.
    #[serde(skip)]
    is_of_yardstick: bool,
    measures: Vec<Measure>,
}

/// One thing measured, in the same unit for all subjects.
#[derive(Serialize)]
struct Measure {
    name: String,
    subjects: Vec<Series>,
}

/// One subject's figures, a round each, in the order of the rounds.
#[derive(Serialize)]
struct Series {
    subject: &'static str,
    rounds: Vec<f64>,
    /// The same by the yardstick's figure of the same round, or the other way round.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ratios: Vec<f64>,
    /// Cores that the client and the server kept busy, means of a round.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    client_cores: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    server_cores: Vec<f64>,
}

/// Where the figures of a series lie.
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    /// Not a number, if there are no figures.
    pub(crate) fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let last = sorted.len().max(1) - 1;
        Self { median: (at(last / 2) + at(sorted.len() / 2)) / 2.0, least: at(0), greatest: at(last) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{} ({} .. {})", number(self.median), number(self.least), number(self.greatest))
    }
}

/// With two places where they say something.
pub(crate) fn number(figure: f64) -> String {
    if figure.abs() < 100.0 { format!("{figure:.2}") } else { format!("{figure:.0}") }
}

impl Report {
    pub(crate) fn new(benchmark: &'static str, plan: &Plan, yardstick: &'static str) -> Self {
        Self {
            benchmark,
            shardgate: env!("CARGO_PKG_VERSION"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            rounds: plan.rounds(),
            turn_seconds: plan.turn().as_secs_f64(),
            yardstick,
            is_of_yardstick: false,
            measures: Vec::new(),
        }
    }

    /// A report whose ratios are those of `yardstick` to each of the others.
    pub(crate) fn of_yardstick(benchmark: &'static str, plan: &Plan, yardstick: &'static str) -> Self {
        Self { is_of_yardstick: true, ..Self::new(benchmark, plan, yardstick) }
    }

    /// Adds one round's figure of a subject.
    pub(crate) fn add(&mut self, measure: &str, subject: &'static str, figure: f64) {
        self.series(measure, subject).rounds.push(figure);
    }

    /// Adds the cores that were busy meanwhile, where that is known.
    pub(crate) fn add_cores(&mut self, measure: &str, subject: &'static str, client: Option<f64>, server: Option<f64>) {
        let series = self.series(measure, subject);
        series.client_cores.extend(client);
        series.server_cores.extend(server);
    }

    /// The figures of all rounds so far; none of a subject that has none.
    pub(crate) fn rounds(&self, measure: &str, subject: &str) -> &[f64] {
        let series = self.measures.iter().filter(|found| found.name == measure).flat_map(|found| &found.subjects);
        series.into_iter().find(|found| found.subject == subject).map_or(&[], |found| &found.rounds)
    }

    fn series(&mut self, measure: &str, subject: &'static str) -> &mut Series {
        let at = position_or_push(
            &mut self.measures,
            |found| found.name == measure,
            || Measure { name: measure.to_owned(), subjects: Vec::new() },
        );
        let subjects = &mut self.measures[at].subjects;
        let at = position_or_push(
            subjects,
            |found| found.subject == subject,
            || Series { subject, rounds: Vec::new(), ratios: Vec::new(), client_cores: Vec::new(), server_cores: Vec::new() },
        );
        &mut subjects[at]
    }

    /// Works out the ratios, prints the table and writes the file; its path.
    pub(crate) fn finish(mut self) -> Outcome<PathBuf> {
        for measure in &mut self.measures {
            measure.compare(self.yardstick, self.is_of_yardstick);
        }
        self.print();
        let path = Plan::directory()?.join(format!("{}.json", self.benchmark));
        std::fs::write(&path, serde_json::to_vec_pretty(&self)?)?;
        println!("\nAll rounds: {}", path.display());
        Ok(path)
    }

    fn print(&self) {
        println!(
            "\n{}: {} rounds of {} s, {} cores; median (least .. greatest); ratios {} {}, round by round",
            self.benchmark,
            self.rounds,
            self.turn_seconds,
            self.cores,
            if self.is_of_yardstick { "to the others, of" } else { "to" },
            self.yardstick
        );
        for measure in &self.measures {
            println!("\n{}", measure.name);
            for series in &measure.subjects {
                println!("  {:<21}{}{}{}", series.subject, figures(&series.rounds), ratio(&series.ratios), cores(series));
            }
        }
    }
}

impl Measure {
    fn compare(&mut self, yardstick: &str, is_of_yardstick: bool) {
        let Some(base) = self.subjects.iter().find(|series| series.subject == yardstick).map(|base| base.rounds.clone()) else {
            return;
        };
        for series in self.subjects.iter_mut().filter(|series| series.subject != yardstick) {
            let ratio = |(figure, base): (&f64, &f64)| if is_of_yardstick { base / figure } else { figure / base };
            series.ratios = series.rounds.iter().zip(&base).map(ratio).collect();
        }
    }
}

/// The place of the item that is wanted, which is made where there is none.
pub(crate) fn position_or_push<T>(items: &mut Vec<T>, wanted: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> usize {
    items.iter().position(wanted).unwrap_or_else(|| {
        items.push(new());
        items.len() - 1
    })
}

fn figures(rounds: &[f64]) -> String {
    let Spread { median, least, greatest } = Spread::of(rounds);
    format!("{:>9}  {:<22}", number(median), format!("({} .. {})", number(least), number(greatest)))
}

fn ratio(ratios: &[f64]) -> String {
    if ratios.is_empty() {
        return " ".repeat(29);
    }
    let Spread { median, least, greatest } = Spread::of(ratios);
    // The latency of one that polls is hundreds of times that of one that does not.
    let places = if median < 0.1 { 4 } else { 2 };
    let range = format!("({least:.places$} .. {greatest:.places$})");
    format!("{:>8}  {range:<18} ", format!("x {median:.places$}"))
}

fn cores(series: &Series) -> String {
    let parts = [("client", &series.client_cores), ("server", &series.server_cores)];
    let known = parts.into_iter().filter(|(_, cores)| !cores.is_empty());
    let words: String = known.map(|(name, cores)| format!("  {name} {:.2}", Spread::of(cores).median)).collect();
    if words.is_empty() { words } else { format!("cores:{words}") }
}
