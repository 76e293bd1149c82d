//! One program of a function: what it is for, what it asks of the C library, and whether it starts.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::build::Architecture;
use crate::process::{self, Running};
use crate::{emulator, host};

/// The version of glibc that `provided.al2023` has.
const GLIBC: [u32; 2] = [2, 34];
/// How long a program may take to its first poll: under qemu, on a machine with other work.
const STARTED_WITHIN: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(20);
/// The request by which a runtime asks for its next event.
const NEXT: &str = "GET /2018-06-01/runtime/invocation/next ";

/// What any function may read of its environment, beside what Lambda and the SDK have.
const VARIABLES: [(&str, &str); 17] = [
    ("AWS_LAMBDA_FUNCTION_NAME", "check"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
    ("AWS_LAMBDA_LOG_GROUP_NAME", "check"),
    ("AWS_LAMBDA_LOG_STREAM_NAME", "check"),
    ("AWS_REGION", emulator::REGION),
    ("AWS_ACCESS_KEY_ID", "check"),
    ("AWS_SECRET_ACCESS_KEY", "check"),
    ("ACEQUIA_STAGE", "check"),
    ("TENANTS_TABLE", "tenants"),
    ("LEDGER_TABLE", "ledger"),
    ("DELAYED_TABLE", "delayed"),
    ("CONSENTS_TABLE", "consents"),
    ("SES_CONFIGURATION_SET", "check"),
    ("LINK_BASE", "https://confirm.example.org"),
    ("NOTIFICATION_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:check"),
    ("WEBHOOK_EGRESS", "public"),
];

/// Says what is wrong where a program is not for Lambda's functions of an architecture.
pub(super) fn is_not_for(file: &Path, architecture: Architecture) -> Result<Option<String>> {
    let mut readelf = process::command("readelf");
    readelf.args(["--wide", "--file-header", "--version-info"]).arg(file);
    let said = process::output(&mut readelf, "readelf", "").context("readelf comes with binutils")?;
    Ok(wrong_of(&said, architecture))
}

fn wrong_of(said: &str, architecture: Architecture) -> Option<String> {
    let machine = match architecture {
        Architecture::X86 => "X86-64",
        Architecture::Arm => "AArch64",
    };
    let found = said.lines().find_map(|line| line.trim().strip_prefix("Machine:")).unwrap_or("nothing").trim();
    if !found.ends_with(machine) {
        return Some(format!("it is a program for {found}, and must be one for {machine}"));
    }
    match wanted_glibc(said) {
        None => Some("it names no version of glibc: whether it starts on Amazon Linux cannot be told".to_owned()),
        Some([major, minor]) if [major, minor] > GLIBC => {
            Some(format!("it asks for glibc {major}.{minor}; Amazon Linux 2023 has {}.{}", GLIBC[0], GLIBC[1]))
        }
        Some(_) => None,
    }
}

/// The newest version of glibc that is asked for.
fn wanted_glibc(said: &str) -> Option<[u32; 2]> {
    let numbers = |text: &str| {
        let (major, rest) = text.split_once('.')?;
        let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some([major.parse().ok()?, minor.parse().ok()?])
    };
    said.split("Name: GLIBC_").skip(1).filter_map(numbers).max()
}

/// Says what is wrong where a program does not get so far as to ask for its first event.
pub(super) fn does_not_start(mut command: Command, log: &Path) -> Result<Option<String>> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port of loopback is free")?;
    listener.set_nonblocking(true).context("cannot listen")?;
    let address = listener.local_addr()?.to_string();
    let output = process::create(log)?;
    command.env_clear().envs(VARIABLES).env("PATH", "/usr/bin:/bin");
    command.env("AWS_LAMBDA_RUNTIME_API", &address).env("AWS_ENDPOINT_URL", format!("http://{address}"));
    command.stdin(Stdio::null()).stderr(output.try_clone()?).stdout(output);
    let mut running = Running::start(&mut command)?;
    let begun = host::now();
    while running.is_running() && begun.elapsed() < STARTED_WITHIN {
        match listener.accept() {
            Ok((stream, _)) if asks_for_an_event(&stream)? => {
                println!("    first poll after {:.2} s", begun.elapsed().as_secs_f64());
                return Ok(None);
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(LOOK),
            Err(error) => return Err(error).context("cannot listen"),
        }
    }
    let why = if running.is_running() { "it did not ask for an event" } else { "it ended" };
    Ok(Some(format!("{why}; the end of {}:\n{}", log.display(), process::tail(log, 20))))
}

/// Whether a connection is the runtime's; every other request (the SDK's) is refused.
fn asks_for_an_event(mut stream: &TcpStream) -> Result<bool> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(STARTED_WITHIN))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).context("cannot read a request")?;
    if line.starts_with(NEXT) {
        return Ok(true);
    }
    // The program that asked may be gone.
    let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "ELF Header:\n  Machine:                           AArch64\n\
        Version needs section '.gnu.version_r' contains 2 entries:\n\
          0x0010:   Name: GLIBC_2.17  Flags: none  Version: 4\n  0x0020:   Name: GLIBC_2.34  Flags: none  Version: 3\n\
          0x0030:   Name: GCC_3.0  Flags: none  Version: 2\n";

    #[test]
    fn a_program_for_its_architecture_and_an_old_enough_c_library_is_right() {
        assert_eq!(wrong_of(SAID, Architecture::Arm), None);
    }

    #[test]
    fn a_program_of_the_other_architecture_is_found() {
        let wrong = wrong_of(SAID, Architecture::X86).unwrap();
        assert_eq!(wrong, "it is a program for AArch64, and must be one for X86-64");
    }

    #[test]
    fn a_program_that_asks_for_a_newer_c_library_is_found() {
        let newer = SAID.replace("GLIBC_2.17", "GLIBC_2.36");
        assert_eq!(wrong_of(&newer, Architecture::Arm).unwrap(), "it asks for glibc 2.36; Amazon Linux 2023 has 2.34");
        // Not by the order of letters.
        assert_eq!(wanted_glibc("Name: GLIBC_2.9 Name: GLIBC_2.34"), Some([2, 34]));
        assert_eq!(wanted_glibc("Name: GLIBC_2.2.5 "), Some([2, 2]));
        assert!(wrong_of("  Machine:  AArch64\n", Architecture::Arm).is_some());
    }

    #[test]
    fn a_program_that_asks_for_an_event_starts_and_one_that_ends_does_not() {
        let log = host::scratch("log/start-test.log");
        let ask = |path: &str| {
            let script = format!(
                "exec 3<>/dev/tcp/${{AWS_LAMBDA_RUNTIME_API/://}}; printf 'GET {path} HTTP/1.1\\r\\n\\r\\n' >&3; read -r line <&3"
            );
            let mut command = Command::new("bash");
            command.args(["-c", &script]);
            command
        };
        assert_eq!(does_not_start(ask("/2018-06-01/runtime/invocation/next"), &log).unwrap(), None);
        let wrong = does_not_start(ask("/something/else"), &log).unwrap().unwrap();
        assert!(wrong.starts_with("it ended"), "{wrong}");
    }
}
