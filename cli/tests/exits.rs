//! The documented exit codes, of every command: what is not there, what does not answer, and output that cannot be
//! written.
//!
//! Every command stands in one table. What AWS answers comes from a small server on loopback that knows a stage without
//! a platform.
#![expect(clippy::expect_used, reason = "a test's own mistake should stop the test where it was made")]

mod exits {
    pub(crate) mod aws;
    pub(crate) mod run;
}

use std::net::TcpListener;
use std::time::Duration;

use exits::aws;
use exits::run::{Ran, Surroundings, everywhere};

/// A command with arguments with which it could do its work. `{file}`, `{event}` and `{new}` stand for paths.
const COMMANDS: [&str; 37] = [
    "tenant apply {file} --yes",
    "tenant show acme",
    "tenant list",
    "audit acme",
    "tenant pause acme crm",
    "tenant resume acme crm",
    "secret put acme crm --for webhook --generate",
    "key create acme",
    "key list acme",
    "key rotate acme abcdefgh",
    "key revoke acme abcdefgh --yes",
    "consent show acme ana@example.org",
    "consent export acme ana@example.org --out {new}",
    "consent erase acme ana@example.org --yes",
    "erase acme --subject ana@example.org --yes",
    "template send-test {file} confirm --event {event} --to ana@acme.example",
    "send acme {event}",
    "explain acme /a|1",
    "dlq list acme",
    "dlq show acme /a|1",
    "dlq show acme --message m-1",
    "dlq redrive acme --yes",
    "dlq purge acme --yes",
    "status",
    "status acme",
    "delayed acme",
    "search acme",
    "tally acme",
    "tally acme --since 2h",
    "table relay acme crm",
    "doctor {file}",
    "replay acme --from 2h --to 1h --same-id --yes",
    "replay list acme",
    "replay show acme r1",
    "replay stop acme r1",
    "replay resume acme r1",
    "archive compact acme",
];

/// The commands that ask AWS for nothing, and read what they are given.
const OFFLINE: [&str; 8] = [
    "tenant validate {file}",
    "tenant schema",
    "tenant try {file} {event}",
    "template preview {file} confirm --event {event} --out {new}",
    "table check {file}",
    "completions bash",
    "help",
    "help dlq list",
];

/// It needs a file with a table, which it does not find.
const WITHOUT_ITS_TABLE: &str = "table init {file} rows";

/// The doctor tells what it could not see, and that is its work.
fn is_doctor(command: &str) -> bool {
    command.starts_with("doctor")
}

#[test]
fn every_command_stands_in_the_tables() {
    let listed = |above: &str| -> Vec<String> {
        let help = Surroundings::none().run(&format!("{above} --help")).stdout;
        let (_, commands) = help.split_once("Commands:\n").unwrap_or_default();
        let lines = commands.lines().take_while(|line| !line.trim().is_empty());
        // A description that goes on in a second line stands further in than a name.
        let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        names.filter_map(|line| line.split_whitespace().next()).map(|name| format!("{above} {name}")).collect()
    };
    let mut all = Vec::new();
    for top in listed("") {
        let below = listed(&top);
        all.extend(if below.is_empty() { vec![top] } else { below });
    }
    assert!(all.len() > 20, "{all:?}");
    for command in all {
        let begins = |known: &&str| format!(" {known} ").starts_with(&format!("{command} "));
        assert!(
            COMMANDS.iter().chain(&OFFLINE).chain(&[WITHOUT_ITS_TABLE]).any(begins),
            "{command} stands in no table"
        );
    }
}

#[test]
fn a_file_without_the_table_that_is_meant_is_told() {
    Surroundings::none().run(WITHOUT_ITS_TABLE).ends(4, WITHOUT_ITS_TABLE, &["rows"]);
}

#[test]
fn without_a_region_every_command_says_so_and_nothing_of_the_network() {
    let ran = everywhere(&COMMANDS, |surroundings| surroundings.with("AWS_EC2_METADATA_DISABLED", "true"));
    for (command, ran) in ran {
        ran.ends(2, &command, &["no region is set", "--region"]);
        assert!(!ran.stderr.contains("network"), "{command}: {}", ran.stderr);
    }
}

#[test]
fn in_a_stage_without_a_platform_every_command_names_stage_and_region_and_ends_with_not_found() {
    let aws = aws::without_a_platform();
    let ran = everywhere(&COMMANDS, |surroundings| {
        surroundings.in_region("eu-west-9").with("AWS_ENDPOINT_URL", &aws.address()).with("ACEQUIA_STAGE", "nosuch")
    });
    for (command, ran) in ran {
        if is_doctor(&command) {
            assert_eq!(ran.code, Some(1), "{command}: {}{}", ran.stdout, ran.stderr);
        } else {
            ran.ends(4, &command, &["no platform of stage nosuch in region eu-west-9"]);
        }
    }
}

#[test]
fn operators_of_another_stage_are_told_that_none_can_be_seen() {
    let aws = aws::of_another_stage();
    for (command, said) in [
        ("status", "no platform of stage nosuch in region eu-west-9 can be seen"),
        ("status acme", "tenant acme has no queues in stage nosuch in region eu-west-9"),
        ("dlq list acme", "tenant acme has no queues in stage nosuch in region eu-west-9"),
        ("send acme {event}", "there is no queue acequia_nosuch_acme_intake in region eu-west-9"),
    ] {
        let surroundings = Surroundings::none().in_region("eu-west-9").with("ACEQUIA_STAGE", "nosuch");
        surroundings.with("AWS_ENDPOINT_URL", &aws.address()).run(command).ends(4, command, &[said]);
    }
}

#[test]
fn an_endpoint_that_refuses_connections_ends_every_command_with_the_code_of_aws() {
    // Bound and let go again: no program listens there.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("a port is free").port();
    let ran = everywhere(&COMMANDS, |surroundings| {
        surroundings.in_region("eu-west-1").with("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{port}"))
    });
    for (command, ran) in ran {
        does_not_reach(&command, &ran);
    }
}

#[test]
fn an_endpoint_that_never_answers_ends_every_command_within_a_bounded_time() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = silent.local_addr().expect("it has an address");
    let ran = everywhere(&COMMANDS, |surroundings| {
        surroundings.in_region("eu-west-1").with("AWS_ENDPOINT_URL", &format!("http://{address}"))
    });
    for (command, ran) in ran {
        does_not_reach(&command, &ran);
        assert!(is_doctor(&command) || ran.took < Duration::from_mins(1), "{command} took {:?}", ran.took);
    }
}

fn does_not_reach(command: &str, ran: &Ran) {
    if is_doctor(command) {
        assert_eq!(ran.code, Some(1), "{command}: {}{}", ran.stdout, ran.stderr);
    } else {
        ran.ends(6, command, &["no answer from AWS", "AWS_ENDPOINT_URL"]);
    }
}

#[test]
fn a_file_that_is_not_there_ends_every_command_that_reads_one_with_not_found_before_anything_is_asked() {
    for command in [
        "tenant validate {nowhere}",
        "tenant validate {file} {nowhere}",
        "tenant apply {nowhere} --yes",
        "template preview {nowhere} confirm --event {event} --out {new}",
        "template preview {file} confirm --event {nowhere} --out {new}",
        "template send-test {nowhere} confirm --event {event} --to ana@acme.example",
        "template send-test {file} confirm --event {nowhere} --to ana@acme.example",
        "doctor {nowhere}",
        "doctor --before {file} {nowhere}",
    ] {
        Surroundings::none().run(command).ends(4, command, &["there is no file ", "nowhere"]);
    }
    for command in ["send acme {nowhere}", "send acme --file {nowhere}"] {
        Surroundings::none().in_region("eu-west-1").run(command).ends(4, command, &["there is no file ", "nowhere"]);
    }
}

#[test]
fn a_file_of_another_encoding_is_named_as_that_by_every_command_that_reads_one() {
    for (command, wide) in [
        ("tenant validate {wide}", true),
        ("tenant apply {wide} --yes", true),
        ("template preview {wide} confirm --event {event} --out {new}", true),
        ("template preview {file} confirm --event {wide} --out {new}", true),
        ("template send-test {file} confirm --event {wide} --to ana@acme.example", true),
        ("send acme {wide}", true),
        ("send acme {latin}", false),
        ("tenant validate {latin}", false),
    ] {
        let ran = Surroundings::none().in_region("eu-west-1").run(command);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, Some(3), "{command}: {said}");
        let named = if wide { "iconv -f UTF-16LE -t UTF-8" } else { "iconv -f WINDOWS-1252 -t UTF-8" };
        assert!(said.contains(named), "{command}: {said}");
    }
    for command in ["send acme -", "consent show acme -", "secret put acme crm --for header --value-stdin"] {
        let aws = aws::without_a_platform();
        let surroundings = Surroundings::none().in_region("eu-west-1").with("AWS_ENDPOINT_URL", &aws.address());
        let wide = "x\ny\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        surroundings.fed(wide).run(command).ends(3, command, &["stdin: the text is UTF-16"]);
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_a_closed_pipe_is_not() {
    for command in
        OFFLINE.iter().chain(&["--help", "--version", "tenant --help", "--output json tenant validate {file}"])
    {
        let full = Surroundings::none().into_full().run(command);
        assert_eq!(full.code, Some(1), "{command}: {}", full.stderr);
        assert!(full.stderr.contains("the output cannot be written"), "{command}: {}", full.stderr);
        let closed = Surroundings::none().into_closed().run(command);
        assert_eq!((closed.code, closed.stderr.as_str()), (Some(0), ""), "{command}");
    }
    let command = "template preview {file} confirm --event {event} --out /dev/full";
    Surroundings::none().run(command).ends(1, command, &["/dev/full cannot be written"]);
}

#[test]
fn a_command_line_that_is_wrong_ends_with_two_and_names_what_is_meant() {
    for (command, said) in [
        ("tenant aply", "apply"),
        ("help aply", "aply"),
        ("dlq show acme", "<EVENT>"),
        ("dlq show acme /a|1 --message m-1", "--message"),
        ("dlq purge acme --since 1700000000", "has no unit"),
        ("dlq list acme --until 1700000000000", "has no unit"),
        ("dlq redrive acme --since 2019-01-01", "before 2020"),
        ("tally acme --since 2999-01-01", "ahead of us"),
        ("search acme --reason nothing", "no reason"),
        ("explain acme -", "is not an event id"),
    ] {
        Surroundings::none().run(command).ends(2, command, &[said]);
    }
    for command in ["dlq purge acme --since 1h --until 2h --yes", "search acme --since 1h --until 2h"] {
        Surroundings::none().in_region("eu-west-1").run(command).ends(2, command, &["nothing lies between --since"]);
    }
}

#[test]
fn usage_says_acequia_whatever_the_program_is_called() {
    let ran = Surroundings::none().called("bootstrap").run("dlq --help");
    assert!(ran.stdout.contains("Usage: acequia dlq "), "{}", ran.stdout);
    let ran = Surroundings::none().called("bootstrap").run("dlq");
    assert!(ran.stderr.contains("Usage: acequia dlq "), "{}", ran.stderr);
}

#[test]
fn a_signal_ends_a_command_that_waits_with_its_own_code_and_what_was_done() {
    for (signal, code, name) in [("INT", 130, "Ctrl-C"), ("TERM", 143, "SIGTERM")] {
        for (command, said) in [
            ("tenant list", "nothing was changed"),
            ("tenant apply {file} --yes", "acequia audit TENANT"),
            ("send acme {event}", "nothing was sent"),
        ] {
            // One for each command: what an earlier one asked a second time must not be taken for this one's asking.
            let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
            let address = silent.local_addr().expect("it has an address");
            let surroundings =
                Surroundings::none().in_region("eu-west-1").with("AWS_ENDPOINT_URL", &format!("http://{address}"));
            // It asks, so it listens for signals.
            let ran = surroundings.run_until(command, signal, || drop(silent.accept()));
            ran.ends(code, command, &[&format!("stopped by {name}: "), said]);
        }
    }
}

#[test]
fn a_signal_ends_a_send_after_a_step_and_says_how_many_were_sent() {
    let aws = aws::with_an_intake();
    let event = |n| format!(r#"{{"specversion":"1.0","id":"{n}","source":"/a","type":"t"}}"#);
    let events = (0..2_000).map(event).collect::<Vec<_>>().join("\n");
    for (signal, code, name) in [("INT", 130, "Ctrl-C"), ("TERM", 143, "SIGTERM")] {
        let surroundings = Surroundings::none()
            .in_region("eu-west-1")
            .with("AWS_ENDPOINT_URL", &aws.address())
            .fed(events.clone().into_bytes());
        let before = aws.sent();
        let ran = surroundings.run_until("send acme --rate 20/s", signal, || aws.wait_until_sent(before + 4));
        assert_eq!(ran.code, Some(code), "{}{}", ran.stdout, ran.stderr);
        let sent = aws.sent() - before;
        let wanted = format!(
            "stopped by {name}: {sent} of 2000 events sent to acequia_dev_acme_intake. From line {} on",
            sent + 1
        );
        assert!(ran.stdout.contains(&wanted), "{wanted:?} is missing in {}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn empty_dead_letter_queues_are_called_empty_within_a_second_and_with_one_receive_each() {
    let aws = aws::with_an_intake();
    let surroundings = || Surroundings::none().in_region("eu-west-1").with("AWS_ENDPOINT_URL", &aws.address());
    for command in ["dlq list acme", "dlq redrive acme --yes", "dlq purge acme --yes"] {
        let before = aws.receives();
        let ran = surroundings().run(command);
        assert_eq!(
            (ran.code, ran.stdout.trim_end()),
            (Some(0), "acme has no dead letters."),
            "{command}: {}",
            ran.stderr
        );
        assert_eq!(aws.receives() - before, 1, "{command}: one dead-letter queue, one look");
        assert!(!aws.has_waited(), "{command}: none of its looks waits for a message");
    }
}
