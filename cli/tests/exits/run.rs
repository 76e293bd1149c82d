//! Runs the command in surroundings of a test's own making.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const FILE: &str = r#"
tenant = "acme"
name = "Acme"
[mail]
from = "hello@acme.example"
to = "{{ data.email }}"
default_locale = "en"
test_recipients = ["*@acme.example"]
[templates.confirm.en]
subject = "Confirm"
text = "Yes: {{ links.accept }}"
[[sinks]]
id = "crm"
kind = "forward"
types = ["*"]
queue = "out"
"#;
const EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{"email":"ana@acme.example"}}"#;

/// Where its output goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Out {
    Read,
    Full,
    Closed,
}

/// What a command finds.
pub(crate) struct Surroundings {
    folder: TempDir,
    variables: Vec<(String, String)>,
    input: Vec<u8>,
    out: Out,
    called: &'static str,
}

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Ran {
    /// Checks the exit code, that stderr says all of this, and that nothing went to stdout.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32, command: &str, said: &[&str]) {
        assert_eq!(self.code, Some(code), "{command}: {}{}", self.stdout, self.stderr);
        for part in said {
            assert!(self.stderr.contains(part), "{command}: {part:?} is missing in {}", self.stderr);
        }
        assert_eq!(self.stdout, "", "{command}: with this code nothing goes to stdout");
    }
}

/// Runs all of the commands side by side, each in surroundings of its own.
pub(crate) fn everywhere(
    commands: &[&str],
    surroundings: impl Fn(Surroundings) -> Surroundings + Sync,
) -> Vec<(String, Ran)> {
    let surroundings = &surroundings;
    std::thread::scope(|scope| {
        let run = |command: &str| surroundings(Surroundings::none()).run(command);
        let threads: Vec<_> =
            commands.iter().map(|command| ((*command).to_owned(), scope.spawn(move || run(command)))).collect();
        threads.into_iter().map(|(command, thread)| (command, thread.join().expect("it ran"))).collect()
    })
}

impl Surroundings {
    /// Files to read, credentials that nothing checks, and no region.
    pub(crate) fn none() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let write =
            |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("a file can be written");
        write("file", FILE.as_bytes());
        write("event", EVENT.as_bytes());
        write("wide", &FILE.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
        write("latin", b"name = \"Fundaci\xf3n\"");
        let variables = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("HOME", "/nonexistent")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { folder, variables, input: Vec::new(), out: Out::Read, called: "acequia" }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn in_region(self, region: &str) -> Self {
        self.with("AWS_REGION", region)
    }

    pub(crate) fn fed(self, input: Vec<u8>) -> Self {
        Self { input, ..self }
    }

    /// Its output goes to a disk that is full.
    pub(crate) fn into_full(self) -> Self {
        Self { out: Out::Full, ..self }
    }

    /// Sends its output into a pipe that has no reader any more.
    pub(crate) fn into_closed(self) -> Self {
        Self { out: Out::Closed, ..self }
    }

    /// The name by which it is started.
    pub(crate) fn called(self, called: &'static str) -> Self {
        Self { called, ..self }
    }

    pub(crate) fn run(self, command: &str) -> Ran {
        self.run_with(command, |_| ())
    }

    /// Sends the signal once `reached` returns.
    pub(crate) fn run_until(self, command: &str, signal: &str, reached: impl FnOnce()) -> Ran {
        self.run_with(command, |process| {
            reached();
            let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {process}")]).status();
            assert!(sent.expect("sh runs").success());
        })
    }

    fn run_with(self, command: &str, meanwhile: impl FnOnce(u32)) -> Ran {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let place = |word: &str| {
            ["file", "event", "wide", "latin", "new", "nowhere"]
                .iter()
                .fold(word.to_owned(), |word, name| word.replace(&format!("{{{name}}}"), &path(name)))
        };
        let stdout = match self.out {
            Out::Read => Stdio::piped(),
            Out::Full => File::options().write(true).open("/dev/full").expect("/dev/full is there").into(),
            Out::Closed => {
                let (reader, writer) = std::io::pipe().expect("a pipe can be made");
                drop(reader);
                writer.into()
            }
        };
        let begun = now();
        let mut process = Command::new(env!("CARGO_BIN_EXE_acequia"))
            .arg0(Path::new("/somewhere").join(self.called))
            .args(command.split_whitespace().map(place))
            .env_clear()
            .envs(self.variables.clone())
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .expect("acequia runs");
        let mut stdin = process.stdin.take().expect("stdin is a pipe");
        // A command that does not read its input closes it early.
        let _ = stdin.write_all(&self.input);
        drop(stdin);
        meanwhile(process.id());
        let output = process.wait_with_output().expect("acequia ends");
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
            took: begun.elapsed(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the time that a process takes is measured by the machine's clock")]
fn now() -> Instant {
    Instant::now()
}
