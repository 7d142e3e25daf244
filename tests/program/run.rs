//! `shardgate run -- CMD`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use super::{kill, output, shardgate, text};

#[test]
fn the_exit_code_is_that_of_the_command() {
    for code in [0, 7, 255] {
        assert_eq!(output(&["run", "--", "sh", "-c", &format!("exit {code}")]).status.code(), Some(code));
    }
    assert_eq!(output(&["run", "--", "sh", "-c", "kill -9 $$"]).status.code(), Some(137));
    let absent = output(&["run", "--", "there-is-no-such-command"]);
    assert_eq!(absent.status.code(), Some(127));
    assert!(text(&absent.stderr).contains("cannot start there-is-no-such-command"), "{}", text(&absent.stderr));
}

#[test]
fn the_command_finds_the_gateway_and_its_topics_in_the_environment() {
    // The gateway's own program is a client at hand: its HTTP listener is not there, its Kafka listener is.
    let script =
        "echo \"$KAFKA_BOOTSTRAP_SERVERS\"; exec 3<>/dev/tcp/${KAFKA_BOOTSTRAP_SERVERS%:*}/${KAFKA_BOOTSTRAP_SERVERS#*:}";
    let ran = output(&["run", "--topic", "orders:3", "--", "bash", "-c", script]);
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let address: std::net::SocketAddr = text(&ran.stdout).trim().parse().unwrap();
    assert!(address.ip().is_loopback());
    assert_eq!(text(&ran.stderr), "");
    // It is gone with its command.
    assert!(std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err());
}

#[test]
fn the_command_finds_the_kinesis_api_and_keys_for_it_in_the_environment() {
    let script = "exec 3<>/dev/tcp/127.0.0.1/${AWS_ENDPOINT_URL_KINESIS#http://127.0.0.1:}; env | grep ^AWS_";
    let mut command = shardgate();
    command.env("AWS_SESSION_TOKEN", "real").env("AWS_ACCESS_KEY_ID", "real").env("AWS_REGION", "xx-real-1");
    let ran = command.args(["run", "--", "bash", "-c", script]).output().unwrap();
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let variables = text(&ran.stdout);
    let names: Vec<_> = variables.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |name: &str| names.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
    assert_eq!((value("AWS_ACCESS_KEY_ID"), value("AWS_SESSION_TOKEN")), (Some("local"), None));
    assert_eq!((value("AWS_REGION"), value("AWS_DEFAULT_REGION")), (Some("us-east-1"), Some("us-east-1")));
    assert_eq!(value("AWS_ENDPOINT_URL_CLOUDWATCH"), value("AWS_ENDPOINT_URL_KINESIS"));
}

#[test]
fn signals_are_passed_on_and_the_command_decides_how_it_ends() {
    for signal in ["TERM", "INT"] {
        let script = format!("trap 'exit 42' {signal}; echo started; while :; do sleep 0.05; done");
        let mut command = shardgate();
        command.args(["run", "--", "bash", "-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut running = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(running.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "started\n");
        kill(&running, signal);
        assert_eq!(running.wait().unwrap().code(), Some(42), "{signal}");
    }
}
