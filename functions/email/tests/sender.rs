//! Senders as they are handed to SES, read by a mail library that is not ours: Python's `email`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use acequia_core::address::Mailbox;

/// Reads a header of senders, one for each line, and writes name and address of each as JSON.
const READER: &str = "
import json, sys
from email.header import decode_header, make_header
from email.utils import getaddresses
for line in sys.stdin:
    found = getaddresses([json.loads(line)])
    print(json.dumps([[str(make_header(decode_header(name))), address] for name, address in found]))
";

#[test]
fn another_mail_library_reads_each_sender_back_to_the_same_name_and_address() {
    let long = format!("{} Asociación de Vecinas", "Ñandú ".repeat(12).trim());
    let senders = [
        ("hola@example.org", "", "hola@example.org"),
        ("Acme <a@example.org>", "Acme", "a@example.org"),
        ("Fundación Ñandú <hola@example.org>", "Fundación Ñandú", "hola@example.org"),
        ("Ana <ana@münchen.example>", "Ana", "ana@xn--mnchen-3ya.example"),
        ("\"Acme, Inc\" <a@example.org>", "Acme, Inc", "a@example.org"),
        ("Acme, Inc <a@example.org>", "Acme, Inc", "a@example.org"),
        ("Acme (the real one); Co. <a@example.org>", "Acme (the real one); Co.", "a@example.org"),
        ("\"The \\\"Acme\\\" \\\\ Co\" <a@example.org>", "The \"Acme\" \\ Co", "a@example.org"),
        ("Café, Thé & Co: 日本 😀 <a@example.org>", "Café, Thé & Co: 日本 😀", "a@example.org"),
        (&format!("{long} <a@example.org>"), &long, "a@example.org"),
        ("O'Neill & Sons! <a@example.org>", "O'Neill & Sons!", "a@example.org"),
    ];
    let mut python =
        Command::new("python3").args(["-c", READER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = python.stdin.take().unwrap();
    for (written, ..) in senders {
        let header = Mailbox::parse(written).unwrap().to_string();
        assert!(header.is_ascii(), "{header}");
        writeln!(input, "{}", serde_json::Value::from(header)).unwrap();
    }
    drop(input);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    let read: Vec<Vec<(String, String)>> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.len(), senders.len());
    for ((written, name, address), read) in senders.iter().zip(read) {
        assert_eq!(read, [((*name).to_owned(), (*address).to_owned())], "{written}");
    }
}
