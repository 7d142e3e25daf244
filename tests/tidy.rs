//! The house rules as data. Each breach is shown with its file, its line, what is wrong and how to mend it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Each floor, and the floors it may import.
const FLOORS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("rules", &[]),
    ("batch", &["model"]),
    ("env", &["model"]),
    ("metrics", &["model", "env"]),
    ("notebook", &["model", "store"]),
    ("store", &["model", "batch"]),
    ("log", &["model", "batch", "env", "store", "metrics"]),
    ("sigv4", &["model"]),
    ("strangers", &[]),
    ("aws", &["model", "env", "sigv4", "strangers"]),
    ("kafka", &["model", "batch", "env", "metrics", "notebook", "log", "sigv4", "strangers"]),
    ("kinesis", &["model", "batch", "env", "metrics", "notebook", "log", "aws"]),
    ("cloudwatch", &["model", "metrics", "log", "aws"]),
    ("http", &["model", "metrics"]),
    ("config", &["model"]),
    (
        "gateway",
        &[
            "model",
            "batch",
            "env",
            "metrics",
            "notebook",
            "store",
            "log",
            "sigv4",
            "kafka",
            "aws",
            "kinesis",
            "cloudwatch",
            "http",
            "config",
        ],
    ),
    ("cli", &["gateway", "config", "model"]),
];

/// What is not written, the floor that may write it all the same, and what to write instead.
const BANNED: &[(&str, &str, &str)] = &[
    ("SystemTime::now", "env", "take the time from `Env`"),
    ("Instant::now", "env", "use `tokio::time::Instant`, which a test can stop"),
    ("Uuid::new_v4", "env", "take the id from `Env`"),
    ("thread_rng", "env", "take chance from `Env`"),
    ("println!", "cli", "log it with `tracing`, or return it"),
    ("print!", "cli", "log it with `tracing`, or return it"),
    ("dbg!", "", "remove it"),
    (".unwrap()", "", "return an error, or say with a default what happens then"),
    (".expect(", "", "return an error, or say with a default what happens then"),
    ("todo!", "", "write it"),
    ("unimplemented!", "", "write it"),
];

/// One line of code that breaks a rule.
struct Breach {
    file: PathBuf,
    line: usize,
    what: String,
    mend: String,
}

#[test]
fn the_house_rules_are_kept() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut breaches = Vec::new();
    for file in rust_files(&root.join("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let shown = file.strip_prefix(root).unwrap().to_owned();
        check(&shown, &text, &mut breaches);
    }
    let mut report = String::new();
    for Breach { file, line, what, mend } in &breaches {
        writeln!(report, "{}:{line}: {what}; {mend}", file.display()).unwrap();
    }
    assert!(breaches.is_empty(), "\n{report}");
}

#[test]
fn every_folder_has_a_doorplate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in rust_files(&root).into_iter().filter(|file| file.ends_with("mod.rs")) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//! **"), "{}:1: begin with `//! **what lives here**`", file.display());
    }
}

#[test]
fn the_rules_see_what_they_forbid_and_nothing_else() {
    let found = |file: &str, text: &str| {
        let mut breaches = Vec::new();
        check(Path::new(file), text, &mut breaches);
        breaches.iter().map(|breach| breach.line).collect::<Vec<_>>()
    };
    assert_eq!(found("src/log/read.rs", "use crate::kafka::Door;\nuse crate::store::Error;\n"), [1]);
    assert_eq!(found("src/log/read.rs", "fn f() -> crate::gateway::Gateway {}\n// crate::kafka::Door\n"), [1]);
    assert_eq!(found("src/log/read.rs", "use crate::{kafka::Door, log::Log};\n"), [1]);
    assert_eq!(found("src/notebook.rs", "use super::log::Log;\n"), [1]);
    assert_eq!(found("src/batch/header.rs", "let now = Instant::now();\n"), [1]);
    assert_eq!(found("src/log/read.rs", "use std::time::Instant;\nInstant::now()\n"), [2]);
    assert_eq!(found("src/log/read.rs", "use tokio::time::Instant;\nInstant::now();\ntokio::time::Instant::now()\n"), [0; 0]);
    assert_eq!(found("src/env/clock.rs", "SystemTime::now()\n"), [0; 0]);
    let tests = "#[cfg(test)]\nmod tests {\n    fn f() {\n        x.unwrap();\n    }\n}\ny.unwrap();\n#[cfg(test)]\nmod more;\n";
    assert_eq!(found("src/log/read.rs", tests), [7]);
    assert_eq!(found("src/batch/tests.rs", "x.unwrap();\n"), [0; 0]);
    assert_eq!(found("src/nobody/knows.rs", ""), [0]);
}

fn check(file: &Path, text: &str, breaches: &mut Vec<Breach>) {
    let parts: Vec<_> = file.iter().map(|part| part.to_str().unwrap()).collect();
    let floor = parts[1].trim_end_matches(".rs");
    let is_test = file.file_stem().is_some_and(|stem| stem == "tests") || parts.contains(&"tests");
    if is_test || matches!(floor, "lib" | "main") {
        return;
    }
    let mut breach = |line, what: String, mend: &str| {
        breaches.push(Breach { file: file.to_owned(), line, what, mend: mend.to_owned() });
    };
    let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| *name == floor) else {
        return breach(0, format!("{floor} is no floor"), "give it a line in tests/tidy.rs");
    };
    let is_root = parts.len() == 2 || parts.len() == 3 && parts[2] == "mod.rs";
    let waits_with_tokio = text.contains("use tokio::time::Instant") || text.contains("use tokio::time::{Instant");
    for (number, line) in code(text) {
        for import in line.split("crate::").skip(1) {
            let name: String = import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if name.is_empty() {
                breach(number, "an import of several floors at once".to_owned(), "write one `use` per floor");
            } else if name != floor && !allowed.contains(&name.as_str()) {
                breach(number, format!("{floor} imports {name}"), "move the idea down, or hand it in from above");
            }
        }
        if is_root && line.contains("super::") {
            breach(number, "a floor reaches out of itself with `super`".to_owned(), "write `crate::`");
        }
        for (banned, at_home, mend) in BANNED {
            let excused = *at_home == floor
                || (*banned == "Instant::now" && (waits_with_tokio || line.contains("tokio::time::Instant::now")));
            let longer = *banned == "print!" && line.contains("println!");
            if line.contains(banned) && !excused && !longer {
                breach(number, format!("`{banned}`"), mend);
            }
        }
    }
}

/// The lines with code that is not only for tests, numbered from 1. rustfmt puts the end of an item below its beginning.
fn code(text: &str) -> Vec<(usize, &str)> {
    let (mut kept, mut lines) = (Vec::new(), (1..).zip(text.lines()));
    while let Some((number, line)) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
            let whole = |line: &str| {
                line == end || line.trim_end().ends_with(';') && !line.starts_with(&format!("{}    ", &end[..end.len() - 1]))
            };
            for (_, line) in lines.by_ref() {
                if whole(line) {
                    break;
                }
            }
        } else if !line.trim_start().starts_with("//") {
            kept.push((number, line));
        }
    }
    kept
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The tests that the page of rules names: the table's line, the file, and the function.
fn named_tests(page: &str) -> Vec<(usize, &str, String)> {
    let mut named = Vec::new();
    for (number, line) in (1..).zip(page.lines()) {
        let Some(row) = line.strip_prefix("//! | ").filter(|row| !row.starts_with("proved by")) else { continue };
        let cells: Vec<_> = row.split(" | ").collect();
        assert_eq!(cells.len(), 3, "src/rules.rs:{number}: a row has its tests, Kinesis's side and Kafka's");
        for test in cells[0].split("<br>") {
            let parts = test.strip_suffix("`)").and_then(|test| test.split_once(" (`"));
            let Some((name, file)) = parts else { panic!("src/rules.rs:{number}: write {test:?} as: its name (`its file`)") };
            named.push((number, file, name.replace(' ', "_")));
        }
    }
    named
}

/// The tests that the page of promises names, each in a line of its own.
fn promised_tests(page: &str) -> Vec<(usize, &str, String)> {
    let tests = (1..).zip(page.lines()).filter_map(|(number, line)| Some((number, line.strip_prefix("- ")?)));
    let named = tests.map(|(number, test)| {
        let parts = test.strip_suffix("`)").and_then(|test| test.split_once(" (`"));
        let Some((name, file)) = parts else { panic!("tests/PROMISES.md:{number}: write {test:?} as: its name (`its file`)") };
        (number, file, name.replace(' ', "_"))
    });
    named.collect()
}

#[test]
fn rules_and_promises_are_proved_by_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut report = String::new();
    let mut check = |page: &str, named: fn(&str) -> Vec<(usize, &str, String)>, at_least: usize| {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let named = named(&text);
        assert!(named.len() > at_least, "{page}: only {} tests are named", named.len());
        for (number, file, name) in named {
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
            if !text.contains(&format!("fn {name}(")) {
                writeln!(report, "{page}:{number}: {file} has no test {name}; name the one that proves it").unwrap();
            }
        }
    };
    check("src/rules.rs", named_tests, 50);
    check("tests/PROMISES.md", promised_tests, 25);
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn the_readmes_tables_are_true() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for (name, table) in [
        ("settings", settings()),
        ("apis", apis()),
        ("operations", operations()),
        ("metrics", metrics()),
        ("cloudwatch", cloudwatch()),
    ] {
        let shown = readme
            .split(&format!("<!-- {name}:begin -->\n"))
            .nth(1)
            .and_then(|rest| rest.split(&format!("<!-- {name}:end -->")).next());
        let shown =
            shown.unwrap_or_else(|| panic!("README.md has no table between <!-- {name}:begin --> and <!-- {name}:end -->"));
        assert!(shown == table, "README.md: the table of {name} is not that of the code; write\n{table}");
    }
}

fn settings() -> String {
    let mut table = "| flag and key | environment | default | what it is |\n|---|---|---|---|\n".to_owned();
    for setting in shardgate::config::SETTINGS {
        let default = setting.values(&shardgate::config::Config::default()).join(", ");
        let default = if default.is_empty() { "–".to_owned() } else { format!("`{default}`") };
        if setting.kind == shardgate::config::Kind::Tables {
            writeln!(table, "| `[[{}]]`, only in the file | – | {default} | {} |", setting.key, setting.help).unwrap();
            continue;
        }
        let (key, name, env, help) = (setting.key, setting.value_name, setting.env, setting.help);
        writeln!(table, "| `--{key} {name}` | `{env}` | {default} | {help} |").unwrap();
    }
    table
}

fn operations() -> String {
    let rows = shardgate::kinesis::operations().map(|operation| format!("| {operation} |\n"));
    "| operation |\n|---|\n".to_owned() + &rows.collect::<String>()
}

/// The table of APIs, each with the tests whose first lines say that they try it.
fn apis() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka");
    let tests: Vec<_> = rust_files(&folder).into_iter().map(|file| (head(&file), file)).collect();
    let mut table = "| key | API | versions | tried in tests/kafka |\n|---|---|---|---|\n".to_owned();
    for api in shardgate::kafka::supported() {
        let (first, last) = (api.served.start(), api.served.end());
        let note =
            if api.advertised == api.served { String::new() } else { format!(" (advertised from {})", api.advertised.start()) };
        let names_it = |head: &str| head.split(|c: char| !c.is_alphanumeric()).any(|word| word == api.name);
        let links = tests.iter().filter(|(head, _)| names_it(head)).filter_map(|(_, file)| {
            let name = file.file_stem()?.to_str().filter(|name| *name != "mod")?;
            Some(format!("[{name}](tests/kafka/{name}.rs)"))
        });
        let links: Vec<_> = links.collect();
        assert!(!links.is_empty(), "no file of tests/kafka says in its first lines that it tries {}", api.name);
        writeln!(table, "| {} | {} | {first} to {last}{note} | {} |", api.key, api.name, links.join(", ")).unwrap();
    }
    table
}

/// The first lines of a file, which say what it is.
fn head(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join("\n")
}

fn metrics() -> String {
    let mut table = "| metric | labels | kind | what it is |\n|---|---|---|---|\n".to_owned();
    for metric in shardgate::metrics::METRICS {
        let (name, labels, kind) = (metric.shown(), metric.labels.join(", "), format!("{:?}", metric.kind).to_lowercase());
        writeln!(table, "| `{name}` | {labels} | {kind} | {} |", metric.help).unwrap();
    }
    table
}

fn cloudwatch() -> String {
    use shardgate::metrics::{Measure, Scope};
    let mut table = "| CloudWatch's name | in `/metrics` | unit | of each | one sample is | Kafka's clients cause it by |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for about in Measure::ALL {
        let of = match about.scope {
            Scope::Stream => "stream",
            Scope::StreamAndShard => "stream, shard",
            Scope::Shard => "shard",
            Scope::Consumer => "fan-out consumer",
        };
        let kafka = if about.kafka.is_empty() { "–" } else { about.kafka };
        let (name, shown, unit, sample) = (about.name, about.prometheus_name(), about.unit, about.sample);
        writeln!(table, "| {name} | `{shown}` | {unit} | {of} | {sample} | {kafka} |").unwrap();
    }
    table
}
