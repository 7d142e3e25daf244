//! Where values come from: what a file, the environment and the flags give becomes one configuration, which can be printed.

use std::path::{Path, PathBuf};

use super::{Config, Kind, SETTINGS, Setting};

const TABLES: &str = "tables are accepted, each under its key in double brackets";
/// What stands for a table in messages: it may have secrets.
const NOT_SHOWN: &str = "(not shown)";

/// Where a value comes from; a later one goes before an earlier one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// Nobody has set it.
    Default,
    /// The file.
    File(PathBuf),
    /// An environment variable.
    Environment,
    /// The command line.
    Flag,
}

/// Values given for a setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// Which setting.
    pub key: &'static str,
    /// By whom.
    pub source: Source,
    /// The values: one, but for a list.
    pub values: Vec<String>,
}

/// Why there is no configuration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the config file {path} cannot be read: {error}; give --config a TOML file")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's words.
        error: String,
    },
    /// The file is not TOML.
    #[error("the config file {path} is not TOML: {error}")]
    NotToml {
        /// The file.
        path: String,
        /// The parser's words, with the line.
        error: String,
    },
    /// The file has a key that is not known.
    #[error("the config file {path} has the unknown key {key:?}; {}", meant(nearest))]
    UnknownKey {
        /// The file.
        path: String,
        /// The key.
        key: String,
        /// The known key that is most like it, if one is.
        nearest: Option<&'static str>,
    },
    /// A value is not accepted.
    #[error("{place} has the value {value:?}: {accepted}")]
    Value {
        /// Which flag, variable or key.
        place: String,
        /// The value.
        value: String,
        /// What is accepted.
        accepted: String,
    },
}

fn meant(nearest: &Option<&'static str>) -> String {
    match nearest {
        Some(key) => format!("did you mean {key:?}?"),
        None => format!("known are {}", SETTINGS.iter().map(|setting| setting.key).collect::<Vec<_>>().join(", ")),
    }
}

/// A configuration, and where each of its settings comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Merged {
    /// What holds.
    pub config: Config,
    /// One source per line of [`SETTINGS`].
    pub sources: Vec<Source>,
}

/// The strongest value given for each setting, over the defaults.
///
/// # Errors
/// The first value that is not accepted. Values that a stronger source hides are not looked at.
pub fn merge(given: &[Given]) -> Result<Merged, Error> {
    let mut config = Config::default();
    let sources = SETTINGS.iter().map(|setting| {
        let strongest = given.iter().filter(|given| given.key == setting.key).max_by(|a, b| a.source.cmp(&b.source));
        let Some(Given { source, values, .. }) = strongest else { return Ok(Source::Default) };
        for value in values {
            let value = value.as_str();
            let shown = if setting.kind == Kind::Tables { NOT_SHOWN } else { value };
            let wrong = |accepted| Error::Value { place: place(setting, source), value: shown.to_owned(), accepted };
            (setting.set)(&mut config, value).map_err(wrong)?;
        }
        Ok(source.clone())
    });
    let sources = sources.collect::<Result<_, _>>()?;
    Ok(Merged { config, sources })
}

fn place(setting: &Setting, source: &Source) -> String {
    match source {
        Source::Default => setting.key.to_owned(),
        Source::File(path) => format!("{:?} in the config file {}", setting.key, path.display()),
        Source::Environment => format!("the environment variable {}", setting.env),
        Source::Flag => format!("the flag --{}", setting.key),
    }
}

/// What the TOML file at `path` gives.
///
/// # Errors
/// [`Error::Unreadable`], [`Error::NotToml`], [`Error::UnknownKey`], and [`Error::Value`] for a value of the wrong type.
pub fn read_file(path: &Path) -> Result<Vec<Given>, Error> {
    let shown = || path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| Error::Unreadable { path: shown(), error: error.to_string() })?;
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| Error::NotToml { path: shown(), error: error.to_string() })?;
    let given = table.into_iter().map(|(key, value)| {
        let setting = SETTINGS.iter().find(|setting| setting.key == key);
        let setting = setting.ok_or_else(|| Error::UnknownKey { path: shown(), nearest: nearest(&key), key })?;
        let source = Source::File(path.to_owned());
        let values = values(setting.kind, &value).map_err(|accepted| Error::Value {
            place: place(setting, &source),
            value: if setting.kind == Kind::Tables { NOT_SHOWN.to_owned() } else { value.to_string() },
            accepted: accepted.to_owned(),
        })?;
        Ok(Given { key: setting.key, source, values })
    });
    given.collect()
}

/// The values in a file as the texts that a flag would have.
fn values(kind: Kind, value: &toml::Value) -> Result<Vec<String>, &'static str> {
    match (kind, value) {
        (Kind::Text, toml::Value::String(text)) => Ok(vec![text.clone()]),
        (Kind::Number, toml::Value::Integer(number)) => Ok(vec![number.to_string()]),
        (Kind::Switch, toml::Value::Boolean(on)) => Ok(vec![on.to_string()]),
        (Kind::List, toml::Value::Array(values)) => {
            let text = |value: &toml::Value| value.as_str().map(str::to_owned).ok_or("an array of strings is accepted");
            values.iter().map(text).collect()
        }
        (Kind::Tables, toml::Value::Array(tables)) => {
            let text = |table: &toml::Value| table.as_table().map(toml::Table::to_string).ok_or(TABLES);
            tables.iter().map(text).collect()
        }
        (Kind::Tables, _) => Err(TABLES),
        (Kind::Text, _) => Err("a string is accepted"),
        (Kind::Number, _) => Err("a whole number is accepted"),
        (Kind::Switch, _) => Err("true and false are accepted"),
        (Kind::List, _) => Err("an array of strings is accepted"),
    }
}

/// The known key that `key` was most likely meant to be.
fn nearest(key: &str) -> Option<&'static str> {
    // Keys may be long, so what is alike is measured as a share; a transposed or missing letter still leaves more than this.
    const ALIKE: f64 = 0.6;
    let plain = key.to_lowercase().replace('_', "-");
    let likeness = |setting: &Setting| strsim::normalized_damerau_levenshtein(&plain, setting.key);
    let best = SETTINGS.iter().map(|setting| (likeness(setting), setting.key)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness >= ALIKE).map(|(_, key)| key)
}

/// `merged` as a file that [`read_file`] accepts, each line with its source.
pub fn print(merged: &Merged) -> String {
    let line = |(setting, source): (&Setting, &Source)| {
        let source = match source {
            Source::Default => "default".to_owned(),
            Source::File(path) => path.display().to_string(),
            Source::Environment => setting.env.to_owned(),
            Source::Flag => format!("--{}", setting.key),
        };
        let quoted = |text: &String| toml::Value::String(text.clone()).to_string();
        let values = setting.values(&merged.config);
        let value = match (setting.kind, values.first()) {
            (Kind::List, _) => format!("[{}]", values.iter().map(quoted).collect::<Vec<_>>().join(", ")),
            (Kind::Tables, Some(_)) => {
                let (key, names) = (setting.key, values.join(", "));
                return format!("# {key} {names} are set; what is in their tables is not shown # {source}\n");
            }
            (_, None) => return format!("# {} is not set\n", setting.key),
            (Kind::Text, Some(value)) => quoted(value),
            (Kind::Number | Kind::Switch, Some(value)) => value.clone(),
        };
        format!("{} = {value} # {source}\n", setting.key)
    };
    SETTINGS.iter().zip(&merged.sources).map(line).collect()
}
