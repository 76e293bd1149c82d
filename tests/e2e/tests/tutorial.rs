//! The tutorial is true: every command of docs/TUTORIAL.md is typed into a shell, and its output is what the page
//! shows.
//!
//! Times, ids, durations and the secret are compared by their form. `...` stands for lines, or for the rest of a line,
//! that are left out. Whitespace counts for nothing, because the columns of tables are as wide as what stands in them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test program")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use e2e::environment::Environment;
use e2e::eventually;
use e2e::wait::eventually_within;

/// The port that the page names; a run takes a free one in its place.
const PORT: &str = "8099";
/// How long one block of commands may take. The longest deploys a stack.
const BLOCK: Duration = Duration::from_mins(3);
/// How often a command is typed that only reads, until it prints what the page shows. A try takes a sixth of a second
/// or more.
const TRIES: u32 = 150;
/// Commands that only read: they are typed again until they print what the page shows, as a reader would.
const READING: [&str; 7] =
    ["acequia status", "acequia explain", "acequia dlq list", "acequia tally", "acequia delayed", "cat .", "tail "];

/// One step of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    /// What the reader types.
    commands: String,
    /// What the page shows as its output.
    shows: Option<String>,
}

/// The blocks marked `sh`, each with the block marked `text` that follows it directly.
fn steps(page: &str) -> Vec<Step> {
    let mut found: Vec<Step> = Vec::new();
    let mut lines = page.lines();
    let mut directly_after = false;
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        let Some(language) = line.strip_prefix("```") else {
            directly_after = false;
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let block = block.join("\n");
        match (language, found.last_mut()) {
            ("sh", _) => found.push(Step { commands: block, shows: None }),
            ("text", Some(step)) if directly_after => step.shows = Some(block),
            _ => panic!("a block {language:?} that follows no block of commands: {block}"),
        }
        directly_after = language == "sh";
    }
    found
}

/// A word with what is different in each run taken out.
fn form(word: &str) -> String {
    let bare = word.trim_end_matches([',', ';']);
    let rest = word.strip_prefix(bare).unwrap_or_default();
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let shown = match bare {
        time if time.len() == 24 && time.ends_with('Z') && time.as_bytes()[10] == b'T' => "TIME",
        delivery if delivery.strip_prefix("dlv_").is_some_and(|id| id.len() == 32 && is_hex(id)) => "DELIVERY",
        message if message.len() == 36 && is_hex(message) => "MESSAGE",
        secret if secret.starts_with("whsec_") && secret.len() > 40 => "SECRET",
        age if age.strip_suffix('s').is_some_and(|age| age.parse::<u32>().is_ok()) => "AGE",
        other => other,
    };
    format!("{shown}{rest}")
}

fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = line.split_whitespace().map(form).collect();
    for index in 1..words.len() {
        if words[index].starts_with("ms") && words[index - 1].parse::<u32>().is_ok() {
            "N".clone_into(&mut words[index - 1]);
        }
    }
    words
}

/// Whether a line is the one that is shown, up to `...` where that stands at its end.
fn is_line(shown: &str, printed: &str) -> bool {
    match shown.strip_suffix("...") {
        Some(start) => words(printed).starts_with(&words(start)),
        None => words(shown) == words(printed),
    }
}

/// Returns whether the printed lines are the lines that are shown; a line `...` stands for any number of them.
fn fits(shown: &[&str], printed: &[&str]) -> bool {
    match shown.split_first() {
        None => printed.iter().all(|line| line.trim().is_empty()),
        Some((first, rest)) if first.trim() == "..." => (0..=printed.len()).any(|count| fits(rest, &printed[count..])),
        Some((first, rest)) => {
            printed.split_first().is_some_and(|(line, printed)| is_line(first, line) && fits(rest, printed))
        }
    }
}

fn output_fits(shown: &str, printed: &str) -> bool {
    fits(&shown.lines().collect::<Vec<_>>(), &printed.lines().collect::<Vec<_>>())
}

fn assert_fits(commands: &str, shown: &str, printed: &str) {
    assert!(output_fits(shown, printed), "{commands}\nshould print:\n{shown}\nand printed:\n{printed}");
}

/// A shell that lasts over all steps, with whatever it started.
struct Shell {
    bash: Child,
    typed: ChildStdin,
    printed: Receiver<String>,
}

impl Shell {
    fn start(environment: &Environment) -> Self {
        let mut command = Command::new("bash");
        command
            .current_dir(&environment.root)
            .process_group(0)
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_SESSION_TOKEN");
        command.args(["--noprofile", "--norc"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut bash = command.spawn().unwrap();
        let typed = bash.stdin.take().unwrap();
        let lines = BufReader::new(bash.stdout.take().unwrap()).lines();
        let (sender, printed) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { bash, typed, printed }
    }

    /// Types commands; answers what they print. The first that fails ends the shell, and the test.
    fn type_in(&mut self, commands: &str) -> String {
        const END: &str = "--- the end of this block ---";
        writeln!(self.typed, "{commands}\nprintf '\\n%s\\n' '{END}'").unwrap();
        let mut text = String::new();
        loop {
            match self.printed.recv_timeout(BLOCK) {
                Ok(line) if line == END => return text,
                Ok(line) => text += &(line + "\n"),
                Err(why) => panic!("{commands}\n{why}, after it printed:\n{text}"),
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // The receiver that a failed step leaves is in its group.
        let group = format!("-{}", self.bash.id());
        let _ = Command::new("kill").args(["--", &group]).status();
        let _ = self.bash.wait();
    }
}

/// The variables that `cargo xtask demo --keep` prints, with which readers reach the local AWS.
fn variables(environment: &Environment, folder: &Path) -> String {
    format!(
        "export AWS_ENDPOINT_URL={} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION={region} AWS_DEFAULT_REGION={region} \
         AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true ACEQUIA_STAGE={}\n\
         export PATH={}:$PATH\nexec 2>&1\nset -e",
        environment.endpoint,
        environment.stage,
        folder.display(),
        region = environment.region,
    )
}

#[test]
fn every_command_of_the_tutorial_prints_what_the_page_shows() {
    let environment = Environment::read();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(&environment.acequia, folder.path().join("acequia")).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let page = std::fs::read_to_string(environment.root.join("docs/TUTORIAL.md")).unwrap();
    let steps = steps(&page.replace(PORT, &port.to_string()));
    let mut shell = Shell::start(&environment);
    shell.type_in(&variables(&environment, folder.path()));
    let mut compared = 0;
    for Step { commands, shows } in steps {
        // The environment that this makes is here already.
        if commands.contains("cargo xtask demo") {
            continue;
        }
        if commands.lines().all(|line| READING.iter().any(|reading| line.starts_with(reading))) {
            let shown = shows.expect("what is only read is shown");
            let mut tries = 0;
            let printed = eventually_within(BLOCK, &commands, || {
                tries += 1;
                let printed = shell.type_in(&format!("({commands}) || true"));
                (output_fits(&shown, &printed) || tries == TRIES).then_some(printed)
            });
            assert_fits(&commands, &shown, &printed);
            compared += 1;
            continue;
        }
        let printed = shell.type_in(&commands);
        if let Some(shown) = shows {
            assert_fits(&commands, &shown, &printed);
            compared += 1;
        }
        // No reader types so fast that a program has not started.
        if commands.trim_end().ends_with('&') {
            eventually("the receiver listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        }
    }
    assert!(compared > 10, "only {compared} outputs were compared");
}

#[test]
fn a_block_of_output_belongs_to_the_commands_directly_before_it() {
    let page = "A\n\n```sh\nls\n```\n\n```text\na\nb\n```\n\nThen:\n\n```sh\ncd\n```\nEnd.\n";
    let step =
        |commands: &str, shows: Option<&str>| Step { commands: commands.to_owned(), shows: shows.map(str::to_owned) };
    assert_eq!(steps(page), [step("ls", Some("a\nb")), step("cd", None)]);
}

#[test]
fn what_differs_in_each_run_is_compared_by_its_form_and_all_else_word_by_word() {
    let time = |second: u32| format!("at 2026-11-29T02:13:{second}.406Z, after {second} ms: 500");
    assert!(output_fits(&time(46), &time(58)));
    assert!(!output_fits(&time(46), &time(58).replace("500", "503")));
    assert!(output_fits("a\n...\nd ...\n", "a\nb\nc\nd e f\n\n"));
    assert!(!output_fits("a\n...\nd\n", "a\nb\nc\n"));
    assert!(!output_fits("a\n", "a\nb\n"), "what is not shown must not be printed");
    assert!(!output_fits("fig 1 0", "fig 0 1"));
    let delivery = |digit: &str| format!("dlv_{} 3s", digit.repeat(32));
    assert!(output_fits(&delivery("a"), &delivery("7").replace("3s", "12s")));
    assert!(!output_fits(&delivery("a"), "dlv_a 3s"));
}
