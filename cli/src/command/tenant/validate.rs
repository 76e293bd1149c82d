//! `acequia tenant validate`: checks files, without a call to AWS.

use std::path::PathBuf;

use acequia_core::egress::Egress;
use serde::Serialize;

use crate::exit::Exit;
use crate::output::{Report, count};
use crate::tenant_file::{self, Mistake};

#[derive(Serialize)]
struct Validated {
    files: Vec<Checked>,
}

#[derive(Serialize)]
struct Checked {
    file: String,
    tenant: Option<String>,
    valid: bool,
    problems: Vec<Mistake>,
    notes: Vec<Mistake>,
}

pub(super) fn run(files: &[PathBuf], egress: Egress) -> Report {
    let mut lines = Vec::new();
    let mut validated = Validated { files: Vec::with_capacity(files.len()) };
    for path in files {
        let file = path.display().to_string();
        let (tenant, problems, notes) = match tenant_file::read(path, egress) {
            Ok(read) => {
                let (tenant, sinks) = (read.tenant.summary.id.to_string(), read.tenant.sinks.len());
                lines.push(format!("{file}: valid, tenant {tenant} with {}", count(sinks, "sink", "sinks")));
                lines.extend(read.notes.iter().map(|found| format!("note: {found}")));
                (Some(tenant), Vec::new(), read.notes)
            }
            Err(problems) => {
                lines.extend(problems.iter().map(ToString::to_string));
                (None, problems, Vec::new())
            }
        };
        validated.files.push(Checked { file, tenant, valid: problems.is_empty(), problems, notes });
    }
    let all_valid = validated.files.iter().all(|file| file.valid);
    Report::new(&validated, lines.join("\n")).ending(if all_valid { Exit::Ok } else { Exit::Invalid })
}
