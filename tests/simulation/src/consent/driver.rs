//! The part of SQS, Lambda, the stream, the schedules and the HTTP API: hands work to instances, and polls it in an
//! order that chance decides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use acequia_core::kind::SinkKind;
use acequia_core::port::Clock as _;
use acequia_core::queue::{QueueArn, QueueRole};
use acequia_core::time::after;
use acequia_lambda::Deadline;
use acequia_testkit::build;
use jiff::Timestamp;

use super::function::{Function, Kind, Output};
use super::mutation::Mutation;
use super::people::{self, Visit};
use super::scene::Scene;
use super::stream::{Ended, Records, Shard};
use super::work::{self, Work};
use crate::driver::Step;
use crate::task::Task;

/// An invocation may take this long: as in the templates.
const TIMEOUT: Duration = Duration::from_mins(1);
/// The schedules call this often, and up to a minute later.
const SWEEP: Duration = Duration::from_mins(1);
/// Clocks differ by so much.
const SKEW: Duration = Duration::from_secs(2);
/// SQS's own redrive: the attempts of the longest schedule, and ten.
const MOST_RECEIVES: u32 = 14;
/// A run that takes more steps than this goes round in circles.
const MOST_STEPS: usize = 400_000;

/// The queues of a tenant that functions read.
pub const ROLES: [QueueRole; 3] =
    [QueueRole::Intake, QueueRole::Sink(SinkKind::Email), QueueRole::Sink(SinkKind::Forward)];

struct Invocation {
    number: u64,
    kind: Kind,
    work: Work,
    function: Arc<Function>,
    task: Task<Output>,
    deadline: Timestamp,
}

/// All that calls functions.
pub struct Driver {
    scene: Scene,
    queues: Vec<(Kind, QueueArn)>,
    idle: BTreeMap<Kind, Vec<Arc<Function>>>,
    most: BTreeMap<Kind, usize>,
    running: Vec<Invocation>,
    shards: Vec<Shard>,
    retries: u32,
    streamed: usize,
    issued: u64,
    steps: usize,
    next_sweep: Timestamp,
    next_schedule: Timestamp,
}

impl Driver {
    /// A driver for the scene.
    pub fn new(scene: &Scene) -> Self {
        let mut queues = vec![(Kind::Feedback, people::feedback_queue())];
        for tenant in scene.tenants() {
            for role in ROLES {
                let (queue, dead) =
                    (build::queue(tenant.as_str(), role), build::dead_letter_queue(tenant.as_str(), role));
                scene.world.queues.redrive_to(&queue, &dead, MOST_RECEIVES);
                queues.push((Kind::of(role), queue));
            }
        }
        let dice = &mut scene.world.lock().dice;
        let kinds = [Kind::Router, Kind::Email, Kind::Forward, Kind::Feedback];
        Self {
            scene: scene.clone(),
            queues,
            idle: BTreeMap::new(),
            most: kinds.into_iter().map(|kind| (kind, 1 + dice.below(3))).collect(),
            running: Vec::new(),
            shards: vec![Shard::default(); 1 + dice.below(3)],
            // The stack says 20; here few are enough to see what the sweep has to do then.
            retries: u32::try_from(dice.below(4)).unwrap_or(0),
            streamed: 0,
            issued: 0,
            steps: 0,
            next_sweep: scene.world.clock.now(),
            next_schedule: scene.world.clock.now(),
        }
    }

    /// Does one thing that can be done now, or says until when nothing can.
    pub fn step(&mut self) -> Step {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Step::Endless;
        }
        self.end_overdue();
        self.feed();
        let ready: Vec<usize> =
            (0..self.running.len()).filter(|at| self.running.get(*at).is_some_and(|one| one.task.is_ready())).collect();
        let begins = ready.is_empty() || self.scene.world.lock().dice.happens(0.15);
        if begins && (self.sweep() || self.read_stream() || self.begin_one()) {
            return Step::Done;
        }
        let chosen = self.scene.world.lock().dice.pick(&ready).copied();
        if let Some(index) = chosen {
            self.poll(index);
            return Step::Done;
        }
        self.next_time().map_or(Step::Quiet, Step::Wait)
    }

    /// When something can happen again by itself.
    fn next_time(&self) -> Option<Timestamp> {
        let now = self.scene.world.clock.now();
        let visible = self
            .queues
            .iter()
            .filter(|(kind, _)| self.is_free(*kind))
            .filter_map(|(_, queue)| self.scene.world.queues.next_visible(queue));
        let deadlines = self.running.iter().map(|one| one.deadline);
        let stream = self.shards.iter().filter_map(Shard::due);
        let sweeps = [self.sweep_at(), self.schedule_at()].into_iter().flatten();
        let all = visible.chain(deadlines).chain(stream).chain(sweeps).chain(self.scene.world.clock.next_sleeper());
        all.min().map(|at| at.max(now))
    }

    fn is_free(&self, kind: Kind) -> bool {
        self.running.iter().filter(|one| one.kind == kind).count() < self.most.get(&kind).copied().unwrap_or(1)
    }

    /// When the sweeper is called next, as far as it matters.
    fn sweep_at(&self) -> Option<Timestamp> {
        let due = self.scene.world.delays.rows().into_iter().map(|row| row.due_at).min()?;
        Some(due.max(self.next_sweep))
    }

    /// When the outbox's sweep is called next, as far as it matters: when a row may be overdue, or a reminder is due.
    fn schedule_at(&self) -> Option<Timestamp> {
        if self.scene.mutation == Some(Mutation::NeverSweep) {
            return None;
        }
        let overdue = self.scene.consents.next_due().map(|at| after(at, SKEW));
        let due = overdue.into_iter().chain(self.scene.consents.next_reminder()).min()?;
        Some(due.max(self.next_schedule))
    }

    /// Calls what the schedules call, if it is time; now and then while the call before still runs.
    fn sweep(&mut self) -> bool {
        let now = self.scene.world.clock.now();
        let late = |scene: &Scene| scene.world.lock().dice.between(Duration::ZERO, SWEEP);
        if self.sweep_at().is_some_and(|at| at <= now) {
            self.next_sweep = after(now, SWEEP.saturating_add(late(&self.scene)));
            self.begin(Kind::Sweeper, Work::Schedule);
            return true;
        }
        if self.schedule_at().is_some_and(|at| at <= now) {
            self.next_schedule = after(now, SWEEP.saturating_add(late(&self.scene)));
            self.begin(Kind::Outbox, Work::Schedule);
            return true;
        }
        false
    }

    /// Gives the shards what the table's stream shows.
    fn feed(&mut self) {
        let count = self.shards.len();
        for (tenant, row) in self.scene.consents.stream_from(self.streamed) {
            self.streamed += 1;
            let shard = usize::from(row.key.subject.as_bytes().first().copied().unwrap_or(0)) % count;
            if let Some(shard) = self.shards.get_mut(shard) {
                shard.push(tenant, row);
            }
        }
    }

    fn read_stream(&mut self) -> bool {
        let now = self.scene.world.clock.now();
        let due: Vec<usize> = (0..self.shards.len())
            .filter(|at| self.shards.get(*at).and_then(Shard::due).is_some_and(|due| due <= now))
            .collect();
        let records = {
            let state = &mut *self.scene.world.lock();
            let Some(index) = state.dice.pick(&due).copied() else { return false };
            let Some(shard) = self.shards.get_mut(index) else { return false };
            shard.take(index, &mut state.dice, state.weather.duplicated)
        };
        self.begin(Kind::Outbox, Work::Records(records));
        true
    }

    /// Whether nothing is left anywhere but in dead-letter queues.
    pub fn is_quiet(&self) -> bool {
        let queues = &self.scene.world.queues;
        self.running.is_empty()
            && self.scene.world.delays.rows().is_empty()
            && self.shards.iter().all(Shard::is_done)
            && self.queues.iter().all(|(_, queue)| queues.messages(queue).is_empty())
    }

    /// Begins an invocation on one of the queues that have visible messages and a free instance.
    fn begin_one(&mut self) -> bool {
        let mut open: Vec<usize> = (0..self.queues.len()).collect();
        loop {
            let Some(index) = self.scene.world.lock().dice.draw(&mut open) else { return false };
            let Some((kind, queue)) = self.queues.get(index).cloned() else { return false };
            if !self.is_free(kind) {
                continue;
            }
            let messages = work::receive(&self.scene, &queue);
            if !messages.is_empty() {
                self.begin(kind, Work::Messages(queue, messages));
                return true;
            }
        }
    }

    /// Has a person follow a link.
    pub fn visit(&mut self, visit: Visit) {
        self.begin(Kind::Confirm, Work::Visit(visit));
    }

    fn begin(&mut self, kind: Kind, work: Work) {
        self.issued += 1;
        let number = self.issued;
        let warm = self.idle.entry(kind).or_default().pop();
        let function = warm.unwrap_or_else(|| Arc::new(Function::start(&self.scene, kind)));
        function.instance.begin(number);
        let deadline = after(self.scene.world.clock.now(), TIMEOUT);
        self.scene.world.lock().history.running.insert(number);
        self.scene.seen().begun = number;
        let (input, shown) = work.begin(&self.scene, number);
        self.scene.note(number, &format!("{kind:?} begins with {shown}"));
        let task = Task::new(Box::pin({
            let function = Arc::clone(&function);
            async move { function.handle(input, Deadline::at(deadline)).await }
        }));
        self.running.push(Invocation { number, kind, work, function, task, deadline });
    }

    fn poll(&mut self, index: usize) {
        let Some(one) = self.running.get_mut(index) else { return };
        let polled = one.task.poll();
        if one.function.instance.has_crashed() {
            let one = self.running.swap_remove(index);
            self.fall(&one, "CRASHES");
            return;
        }
        if let Poll::Ready(output) = polled {
            let one = self.running.swap_remove(index);
            self.end(one.number, "ends");
            self.idle.entry(one.kind).or_default().push(Arc::clone(&one.function));
            self.take(&one, output);
        }
    }

    fn end(&self, number: u64, how: &str) {
        self.scene.world.lock().history.running.remove(&number);
        self.scene.note(number, how);
    }

    /// It ends without order: what it had comes again.
    fn fall(&mut self, one: &Invocation, how: &str) {
        self.end(one.number, how);
        match &one.work {
            Work::Records(records) => self.finish(records, Ended::Failed),
            Work::Visit(visit) => visit.again(&self.scene),
            Work::Messages(..) | Work::Schedule => {}
        }
    }

    /// Ends the invocations whose time is up. Lambda starts their instances anew.
    fn end_overdue(&mut self) {
        let now = self.scene.world.clock.now();
        while let Some(index) = self.running.iter().position(|one| one.deadline <= now) {
            let one = self.running.swap_remove(index);
            self.fall(&one, "TIMES OUT");
        }
    }

    fn finish(&mut self, records: &Records, ended: Ended) {
        let now = self.scene.world.clock.now();
        let given_up =
            self.shards.get_mut(records.shard).is_some_and(|shard| shard.finish(records, ended, now, self.retries));
        if given_up {
            self.scene.note(0, "the stream gives up on records");
        }
    }

    fn take(&mut self, one: &Invocation, output: Output) {
        match (&one.work, output) {
            (Work::Messages(queue, messages), Output::Batch(Ok(answer))) => {
                let held = work::delete(&self.scene, queue, messages, &answer);
                self.scene.hold(one.number, held);
            }
            (Work::Messages(..), Output::Batch(Err(error))) => {
                self.scene.hold(one.number, Err(format!("the whole batch failed: {error}")));
            }
            (Work::Records(records), Output::Records(failed)) => {
                let known = records.from..records.from.saturating_add(records.rows.len());
                let failed: Vec<usize> = failed.iter().filter_map(|sequence| sequence.parse().ok()).collect();
                if failed.iter().any(|sequence| !known.contains(sequence)) {
                    self.scene
                        .hold(one.number, Err(format!("the answer names {failed:?}, and the batch has {known:?}")));
                }
                self.finish(records, failed.into_iter().min().map_or(Ended::All, Ended::From));
            }
            (Work::Visit(visit), Output::Page(status)) => {
                self.scene.note(one.number, &format!("answers {status}"));
                let held = visit.read(&self.scene, status);
                self.scene.hold(one.number, held);
            }
            _ => {}
        }
    }
}
