//! The process of a function, run against a stub. It ends when this is dropped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::fixture::{ARCHIVE, LEDGER_TABLE, REGION, STAGE, TENANTS_TABLE};
use crate::runtime::{Answered, TIMEOUT};
use crate::server::Stub;
use crate::{StubError, clock};

/// How often a waiting invocation looks whether the process still lives.
const LOOK: Duration = Duration::from_millis(100);

/// What a process holds of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Resident now, in bytes.
    pub resident: u64,
    /// The most that was resident, in bytes.
    pub peak: u64,
}

/// What a function made of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// When the batch was ready for it.
    pub begun: Instant,
    /// From then to its answer.
    pub took: Duration,
    /// The messages that it gave back.
    pub failures: usize,
    /// The status, where it answers over HTTP.
    pub status: Option<u64>,
    /// The answer itself.
    response: String,
}

/// A running function. Where we are killed it ends too, because its runtime's interface is gone.
pub struct Function<'s> {
    stub: &'s Stub,
    child: Child,
    program: String,
    log: PathBuf,
    /// When it was started.
    pub started: Instant,
}

impl<'s> Function<'s> {
    /// Starts `program` against the stub, with its output in the file `log`.
    ///
    /// # Errors
    /// When the program or the file cannot be used.
    pub fn start(stub: &'s Stub, program: &Path, log: &Path) -> Result<Self, StubError> {
        Self::start_command(stub, Command::new(program), program, log)
    }

    /// The same with more variables in its environment.
    ///
    /// # Errors
    /// When the program or the file cannot be used.
    pub fn start_with(
        stub: &'s Stub,
        program: &Path,
        variables: &[(&str, String)],
        log: &Path,
    ) -> Result<Self, StubError> {
        Self::launch(stub, Command::new(program), variables, program, log)
    }

    /// The same through a command that ends in running `program`, such as one that counts its instructions.
    ///
    /// # Errors
    /// When the program or the file cannot be used.
    pub fn start_command(stub: &'s Stub, command: Command, program: &Path, log: &Path) -> Result<Self, StubError> {
        Self::launch(stub, command, &[], program, log)
    }

    fn launch(
        stub: &'s Stub,
        mut command: Command,
        more: &[(&str, String)],
        program: &Path,
        log: &Path,
    ) -> Result<Self, StubError> {
        let file_error = |source| StubError::File { file: log.display().to_string(), source };
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder).map_err(file_error)?;
        }
        let output = File::create(log).map_err(file_error)?;
        let errors = output.try_clone().map_err(file_error)?;
        let endpoint = format!("http://{}", stub.address());
        let address = stub.address();
        let variables = [
            ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "bench"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_SESSION_TOKEN", "bench"),
            ("AWS_ENDPOINT_URL", &endpoint),
            ("ACEQUIA_STAGE", STAGE),
            ("TENANTS_TABLE", TENANTS_TABLE),
            ("LEDGER_TABLE", LEDGER_TABLE),
            ("SES_CONFIGURATION_SET", "bench"),
            ("DELAYED_TABLE", "delayed"),
            ("CONSENTS_TABLE", "consents"),
            ("ARCHIVE_BUCKET", ARCHIVE),
            ("LINK_BASE", "https://confirm.example.org"),
            ("NOTIFICATION_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:bench"),
            ("WEBHOOK_EGRESS", "local"),
            ("INGEST_EGRESS", "local"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ];
        let more = more.iter().map(|(name, value)| (*name, value.as_str()));
        command.env_clear().envs(variables).envs(more).stdin(Stdio::null()).stdout(output).stderr(errors);
        let program = program.display().to_string();
        let started = clock::now();
        let child = command.spawn().map_err(|source| StubError::Start { what: program.clone(), source })?;
        Ok(Self { stub, child, program, log: log.to_owned(), started })
    }

    /// From the start to the first request for a batch.
    ///
    /// # Errors
    /// When it does not ask.
    pub fn first_poll(&mut self) -> Result<Duration, StubError> {
        let begun = clock::now();
        loop {
            if let Some(polled) = self.stub.first_poll(LOOK) {
                return Ok(polled.saturating_duration_since(self.started));
            }
            self.check(begun, TIMEOUT)?;
        }
    }

    /// Gives it a batch, all of which it must take; answers how long it took.
    ///
    /// # Errors
    /// When it does not answer, fails, or gives a message back.
    pub fn invoke(&mut self, event: String) -> Result<Duration, StubError> {
        self.invoke_within(event, TIMEOUT)
    }

    /// The same with a time of its own.
    ///
    /// # Errors
    /// As [`Function::invoke`].
    pub fn invoke_within(&mut self, event: String, time: Duration) -> Result<Duration, StubError> {
        let answer = self.answer_within(event, time)?;
        if answer.failures == 0 && answer.status.is_none_or(|status| status == 202) {
            Ok(answer.took)
        } else {
            Err(StubError::Refused(self.with_problems(&answer.response)))
        }
    }

    /// Gives it a batch, of which it may give messages back.
    ///
    /// # Errors
    /// When it does not answer, or fails.
    pub fn answer_within(&mut self, event: String, time: Duration) -> Result<Answer, StubError> {
        let begun = clock::now();
        let answer = self.stub.invoke(event);
        let answered = loop {
            match answer.recv_timeout(LOOK) {
                Ok(answered) => break answered,
                Err(RecvTimeoutError::Timeout) => self.check(begun, time)?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(StubError::Refused("the stub dropped the invocation".to_owned()));
                }
            }
        };
        let took = begun.elapsed();
        match answered {
            Answered::Error(error) => Err(StubError::Refused(error)),
            Answered::Response(response) => {
                let read: Json = serde_json::from_str(&response).unwrap_or_default();
                let failures = read.get("batchItemFailures").and_then(Json::as_array).map_or(0, Vec::len);
                let status = read.get("statusCode").and_then(Json::as_u64);
                Ok(Answer { begun, took, failures, status, response })
            }
        }
    }

    /// An answer with failures is usually the consequence of a call that the stub refused: that is what one wants to
    /// read.
    fn with_problems(&self, response: &str) -> String {
        match self.stub.take_counts() {
            Err(error) => error.to_string(),
            Ok(_) => format!("{response}; what the function said is in {}", self.log.display()),
        }
    }

    fn check(&mut self, begun: Instant, time: Duration) -> Result<(), StubError> {
        let (program, log) = (self.program.clone(), self.log.display().to_string());
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(StubError::Ended { program, status: status.to_string(), log });
        }
        if begun.elapsed() > time {
            return Err(StubError::Silent { program, seconds: time.as_secs(), log });
        }
        Ok(())
    }

    /// What it holds of memory, from `/proc`.
    ///
    /// # Errors
    /// When `/proc` does not say.
    pub fn memory(&self) -> Result<Memory, StubError> {
        let file = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&file).map_err(|source| StubError::File { file: file.clone(), source })?;
        let bytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
        };
        let missing = || StubError::Fixture(format!("{file} does not say how much memory is resident"));
        Ok(Memory { resident: bytes("VmRSS").ok_or_else(missing)?, peak: bytes("VmHWM").ok_or_else(missing)? })
    }

    /// How long its threads have been on a processor, from `/proc`.
    ///
    /// # Errors
    /// When `/proc` does not say.
    pub fn processor_time(&self) -> Result<Duration, StubError> {
        let folder = format!("/proc/{}/task", self.child.id());
        let failed = |source| StubError::File { file: folder.clone(), source };
        let mut sum = 0;
        for thread in fs::read_dir(&folder).map_err(failed)? {
            let text = fs::read_to_string(thread.map_err(failed)?.path().join("schedstat")).map_err(failed)?;
            sum += text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(sum))
    }

    /// Asks it to end, and waits until it has: what counts its instructions then says how many there were.
    ///
    /// # Errors
    /// When it does not end.
    pub fn terminate(&mut self, time: Duration) -> Result<(), StubError> {
        if let Some(id) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        self.wait(time).map(|_| ())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end within `time`.
    pub fn wait(&mut self, time: Duration) -> Result<ExitStatus, StubError> {
        let begun = clock::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Ok(status);
            }
            if begun.elapsed() > time {
                let (program, log) = (self.program.clone(), self.log.display().to_string());
                return Err(StubError::Silent { program, seconds: time.as_secs(), log });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Function<'_> {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
