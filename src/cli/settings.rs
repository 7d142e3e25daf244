//! The table of settings as flags and environment variables.

use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{self, Config, Given, Kind, Merged, SETTINGS, Setting, Source};

const CONFIG: &str = "config";

/// What the command line and the environment say.
#[derive(Clone, Default)]
pub(super) struct Settings {
    given: Vec<Given>,
    file: Option<PathBuf>,
}

impl Settings {
    /// The whole configuration.
    pub(super) fn merge(&self) -> Result<Merged, config::Error> {
        let mut given = self.file.as_deref().map(config::read_file).transpose()?.unwrap_or_default();
        given.extend(self.given.iter().cloned());
        config::merge(&given)
    }

    /// The config file.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    fn read(matches: &ArgMatches, wanted: fn(&Setting) -> bool) -> Self {
        let given = SETTINGS.iter().filter(|setting| wanted(setting)).filter_map(|setting| {
            let source = match matches.value_source(setting.key)? {
                ValueSource::CommandLine => Source::Flag,
                ValueSource::EnvVariable => Source::Environment,
                _ => return None,
            };
            let values: Vec<String> = matches.get_many(setting.key)?.cloned().collect();
            // A variable that is set to nothing is how compose files leave one out.
            let left_out = source == Source::Environment && values.iter().all(String::is_empty);
            (!left_out).then_some(Given { key: setting.key, source, values })
        });
        let file = matches.try_get_one::<PathBuf>(CONFIG).ok().flatten().filter(|path| !path.as_os_str().is_empty()).cloned();
        Self { given: given.collect(), file }
    }
}

/// Tables are in the file alone.
fn has_flag(setting: &Setting) -> bool {
    setting.kind != Kind::Tables
}

fn augment(command: Command, wanted: fn(&Setting) -> bool) -> Command {
    SETTINGS.iter().filter(|setting| wanted(setting)).fold(command, |command, setting| command.arg(flag(setting)))
}

fn flag(setting: &Setting) -> Arg {
    let default = setting.values(&Config::default()).join(",");
    let help = if default.is_empty() { setting.help.to_owned() } else { format!("{} [default: {default}]", setting.help) };
    let flag = Arg::new(setting.key).long(setting.key).env(setting.env).hide_env_values(true);
    let flag = flag.value_name(setting.value_name).help(help).action(ArgAction::Set);
    match setting.kind {
        Kind::Text | Kind::Number => flag.allow_negative_numbers(true),
        Kind::Switch => flag.num_args(0..=1).default_missing_value("true"),
        // One without a flag.
        Kind::Tables => flag.hide(true),
        Kind::List => flag.action(ArgAction::Append).value_delimiter(','),
    }
}

/// Every setting, and the file they may be in.
#[derive(Clone, Default)]
pub(super) struct AllSettings(pub(super) Settings);

impl Args for AllSettings {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(CONFIG).long(CONFIG).env("SHARDGATE_CONFIG").hide_env_values(true).value_name("FILE");
        let file = file.value_parser(clap::value_parser!(PathBuf)).help("A TOML file with the same keys as the flags");
        augment(command, has_flag).arg(file)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for AllSettings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(Settings::read(matches, has_flag)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The settings that make sense for the gateway around one command.
#[derive(Clone, Default)]
pub(super) struct RunSettings(pub(super) Settings);

fn for_run(setting: &Setting) -> bool {
    matches!(setting.key, "topic" | "default-partitions" | "auto-create-topics" | "limits" | "log-format")
}

impl Args for RunSettings {
    fn augment_args(command: Command) -> Command {
        augment(command, for_run)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for RunSettings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(Settings::read(matches, for_run)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
