//! Children that end with us, however we end.
//!
//! Every child is the head of a process group of its own, and is started through our own hidden command `guard`, which
//! asks the kernel to terminate it when its parent dies and then becomes the program. So:
//! - when a [`Running`] is dropped (return, error, panic), its group is terminated, and killed if it does not go;
//! - on Ctrl-C or SIGTERM [`end_all`] does the same to all groups;
//! - when we are killed, the kernel terminates each child.
//!
//! The kernel's signal comes when the *thread* that started the child ends: start long-lived children from the main
//! thread.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use crate::host;

/// How long a child may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

static ENDING: AtomicBool = AtomicBool::new(false);
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

fn groups() -> MutexGuard<'static, BTreeSet<i32>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A command whose process will be guarded.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    // The running file, even if cargo replaces it meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.arg("guard").arg(program).process_group(0);
    command
}

/// A command that can outlive us ([`Running::leave`]): in a group of its own, but without the kernel's signal.
pub(crate) fn lasting_command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.process_group(0);
    command
}

/// Becomes `program`, after asking for a signal at the parent's death. What the hidden command `guard` does.
pub(crate) fn guard(program: &[String]) -> Result<()> {
    let [program, arguments @ ..] = program else { bail!("guard: no program is named") };
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM)).context("cannot ask for the death signal")?;
    Err(Command::new(program).args(arguments).exec()).with_context(|| format!("cannot start {program}"))
}

/// A child that runs beside us.
pub(crate) struct Running {
    child: Child,
    group: i32,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let child = command.spawn().context("cannot start a child process")?;
        let group = i32::try_from(child.id()).context("a process id that does not fit")?;
        groups().insert(group);
        Ok(Self { child, group })
    }

    /// Its standard output, once.
    pub(crate) fn stdout(&mut self) -> Result<std::process::ChildStdout> {
        self.child.stdout.take().context("the child's output is not piped")
    }

    /// Its process id, which is its group's too.
    pub(crate) fn id(&self) -> i32 {
        self.group
    }

    /// Lets it go on without us.
    pub(crate) fn leave(self) {
        groups().remove(&self.group);
        std::mem::forget(self);
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().context("cannot wait for a child process")
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_running() {
            end(self.group, || matches!(self.child.try_wait(), Ok(Some(_))));
        }
        // What the child itself started may have outlived it.
        signal(self.group, Signal::KILL);
        let _ = self.child.wait();
        groups().remove(&self.group);
    }
}

fn signal(group: i32, signal: Signal) {
    if let Some(group) = Pid::from_raw(group) {
        // It may be gone already.
        let _ = kill_process_group(group, signal);
    }
}

/// Terminates a group, and kills it if `gone` does not come true in time.
fn end(group: i32, mut gone: impl FnMut() -> bool) {
    signal(group, Signal::TERM);
    let start = host::now();
    while !gone() && start.elapsed() < GRACE {
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(group, Signal::KILL);
}

/// Ends all children: for the handler of Ctrl-C, which never returns to the code that holds them.
pub(crate) fn end_all() {
    ENDING.store(true, Ordering::SeqCst);
    let all: Vec<i32> = groups().iter().copied().collect();
    for group in &all {
        signal(*group, Signal::TERM);
    }
    let alive = |group: i32| Pid::from_raw(group).is_some_and(|group| test_kill_process_group(group).is_ok());
    for group in all.into_iter().rev() {
        end(group, || !alive(group));
    }
}

/// Whether [`end_all`] has begun: what fails from then on fails because of it.
pub(crate) fn is_ending() -> bool {
    ENDING.load(Ordering::SeqCst)
}

/// Runs a command to its end with our own output.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<()> {
    let status = Running::start(command)?.wait()?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(())
}

/// Runs a command to its end with its output in a file, whose end is shown if it fails.
pub(crate) fn run_logged(command: &mut Command, what: &str, log: &Path) -> Result<()> {
    let file = create(log)?;
    let mut running = Running::start(command.stdin(Stdio::null()).stderr(file.try_clone()?).stdout(file))?;
    let status = running.wait()?;
    if !status.success() {
        bail!("{what} failed ({status}); the end of {}:\n{}", log.display(), tail(log, 40));
    }
    Ok(())
}

/// Runs a command to its end and gives its output, with `input` on its standard input.
pub(crate) fn output(command: &mut Command, what: &str, input: &str) -> Result<String> {
    output_ending(command, what, input, &[0])
}

/// The same, where it may end with one of these exit codes.
pub(crate) fn output_ending(command: &mut Command, what: &str, input: &str, codes: &[i32]) -> Result<String> {
    use std::io::Write as _;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("the child's input is not piped")?;
    let input = input.to_owned();
    // Beside the reading, so that neither side waits for the other with full pipes. An early end of the child shows
    // below.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output()?;
    let _ = writer.join();
    if !output.status.code().is_some_and(|code| codes.contains(&code)) {
        let all = [output.stderr, output.stdout].concat();
        bail!("{what} failed ({}): {}", output.status, String::from_utf8_lossy(&all).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command to its end and hands each line of its output over; answers whether it succeeded.
pub(crate) fn run_watched(command: &mut Command, mut line: impl FnMut(&str)) -> Result<bool> {
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut running = Running::start(command)?;
    // The command holds the writing ends: without this the reading would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    for text in BufReader::new(reader).split(b'\n') {
        line(&String::from_utf8_lossy(&text?));
    }
    Ok(running.wait()?.success())
}

/// Makes a file and the folders above it.
pub(crate) fn create(file: &Path) -> Result<File> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    File::create(file).with_context(|| format!("cannot write {}", file.display()))
}

/// The last lines of a file.
pub(crate) fn tail(file: &Path, lines: usize) -> String {
    let text = std::fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}
