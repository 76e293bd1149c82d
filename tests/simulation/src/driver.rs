//! The part of SQS and Lambda: hands batches to instances, polls what can go on in an order that chance decides, lets
//! time pass where nothing can, ends what takes too long, and takes the answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use acequia_core::message::Incoming;
use acequia_core::port::Clock as _;
use acequia_core::queue::{QueueArn, QueueRole};
use acequia_core::time::after;
use acequia_lambda::{Deadline, UnusableBatch};
use acequia_testkit::build;
use acequia_testkit::event::lambda_event;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use jiff::Timestamp;

use crate::function::{Function, ROLES, SWEEPER};
use crate::kafka::mapping::Mappings;
use crate::receive::{acknowledge, content, receive};
use crate::task::Task;
use crate::world::World;

/// An invocation may take this long: as in the templates.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The schedule calls the sweeper this often, and up to as much later.
const SWEEP: Duration = Duration::from_mins(1);

/// SQS's own redrive of a standard queue: far fewer receives than the stack's hundred, so that what uses them up is
/// found.
const MOST_RECEIVES: u32 = 14;
/// Of a FIFO queue, of which nothing is delayed: as in the stack.
const MOST_RECEIVES_FIFO: u32 = 1000;

/// A run that takes more steps than this goes round in circles.
const MOST_STEPS: usize = 400_000;

struct Invocation {
    number: u64,
    role: QueueRole,
    queue: QueueArn,
    messages: Vec<Incoming>,
    function: Arc<Function>,
    task: Task<Result<SqsBatchResponse, UnusableBatch>>,
    deadline: Timestamp,
}

/// SQS and Lambda.
pub struct Driver {
    world: World,
    queues: Vec<(QueueRole, QueueArn)>,
    idle: BTreeMap<QueueRole, Vec<Arc<Function>>>,
    most: BTreeMap<QueueRole, usize>,
    running: Vec<Invocation>,
    issued: u64,
    steps: usize,
    next_sweep: Timestamp,
    mappings: Mappings,
}

/// What the next step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Something happened.
    Done,
    /// Nothing can happen before this time.
    Wait(Timestamp),
    /// Nothing will happen by itself.
    Quiet,
    /// It goes round in circles.
    Endless,
}

impl Driver {
    /// A driver for the queues of all tenants of the world.
    pub fn new(world: &World) -> Self {
        let tenants = world.lock().history.scenario.tenants.clone();
        let mut queues = Vec::new();
        for tenant in &tenants {
            for role in ROLES {
                let (queue, dead) = (tenant.queue(role), tenant.dead_letter_queue(role));
                let most = if queue.is_fifo() { MOST_RECEIVES_FIFO } else { MOST_RECEIVES };
                world.queues.redrive_to(&queue, &dead, most);
                queues.push((role, queue));
            }
        }
        let most = ROLES.into_iter().map(|role| (role, 1 + world.lock().dice.below(3))).collect();
        Self {
            world: world.clone(),
            queues,
            idle: BTreeMap::new(),
            most,
            running: Vec::new(),
            issued: 0,
            steps: 0,
            next_sweep: world.clock.now(),
            mappings: Mappings::new(world),
        }
    }

    /// Does one thing that can be done now, or says until when nothing can.
    pub fn step(&mut self) -> Step {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Step::Endless;
        }
        self.end_overdue();
        if self.mappings.are_there() && self.world.lock().dice.happens(0.3) && self.mappings.step() {
            return Step::Done;
        }
        let ready: Vec<usize> = (0..self.running.len())
            .filter(|index| self.running.get(*index).is_some_and(|one| one.task.is_ready()))
            .collect();
        let begins = ready.is_empty() || self.world.lock().dice.happens(0.15);
        if begins && (self.sweep() || self.begin_one()) {
            return Step::Done;
        }
        let chosen = self.world.lock().dice.pick(&ready).copied();
        if let Some(index) = chosen {
            self.poll(index);
            return Step::Done;
        }
        if self.mappings.are_there() && self.mappings.step() {
            return Step::Done;
        }
        match self.next_time() {
            Some(time) => Step::Wait(time),
            None => Step::Quiet,
        }
    }

    /// When something can happen again: a task wakes, a message comes back, or an invocation's time is up.
    fn next_time(&self) -> Option<Timestamp> {
        let free = |role: &QueueRole| self.running.iter().filter(|one| one.role == *role).count() < self.limit(*role);
        let visible = self
            .queues
            .iter()
            .filter(|(role, _)| free(role))
            .filter_map(|(_, queue)| self.world.queues.next_visible(queue));
        let deadlines = self.running.iter().map(|one| one.deadline);
        visible
            .chain(deadlines)
            .chain(self.mappings.next_time())
            .chain(self.world.clock.next_sleeper())
            .chain(self.sweep_at())
            .min()
    }

    /// When the sweeper is called next, as far as it matters: when something is due.
    fn sweep_at(&self) -> Option<Timestamp> {
        let due = self.world.delays.rows().into_iter().map(|row| row.due_at).min()?;
        Some(due.max(self.next_sweep))
    }

    /// Calls the sweeper if it is time; now and then a minute late, or while the one before still runs.
    fn sweep(&mut self) -> bool {
        let now = self.world.clock.now();
        if self.sweep_at().is_none_or(|at| at > now) {
            return false;
        }
        let late = self.world.lock().dice.between(Duration::ZERO, SWEEP);
        self.next_sweep = after(now, SWEEP.saturating_add(late));
        self.begin(SWEEPER, build::queue("sweeper", SWEEPER), Vec::new());
        true
    }

    fn limit(&self, role: QueueRole) -> usize {
        self.most.get(&role).copied().unwrap_or(1)
    }

    /// Returns whether all queues but the dead-letter queues are empty and no invocation runs.
    pub fn is_quiet(&self) -> bool {
        self.running.is_empty()
            && self.mappings.is_quiet()
            && self.world.delays.rows().is_empty()
            && self.queues.iter().all(|(_, queue)| self.world.queues.messages(queue).is_empty())
    }

    /// Begins an invocation on one of the queues that have visible messages and a free instance.
    fn begin_one(&mut self) -> bool {
        let mut open: Vec<usize> = (0..self.queues.len()).collect();
        loop {
            let Some(index) = self.world.lock().dice.draw(&mut open) else { return false };
            let Some((role, queue)) = self.queues.get(index).cloned() else { return false };
            if self.running.iter().filter(|one| one.role == role).count() >= self.limit(role) {
                continue;
            }
            let messages = receive(&self.world, &queue);
            if !messages.is_empty() {
                self.begin(role, queue, messages);
                return true;
            }
        }
    }

    fn begin(&mut self, role: QueueRole, queue: QueueArn, messages: Vec<Incoming>) {
        self.issued += 1;
        let number = self.issued;
        let warm = self.idle.entry(role).or_default().pop();
        let function = warm.unwrap_or_else(|| Arc::new(Function::start(&self.world, role)));
        function.instance.begin(number);
        let deadline = after(self.world.clock.now(), TIMEOUT);
        {
            let history = &mut self.world.lock().history;
            history.begin(number);
            let shown: Vec<_> =
                messages.iter().map(|message| (content(history, message), message.receive_count)).collect();
            for message in &messages {
                if let Some(content) = content(history, message) {
                    history.held.insert(message.message_id.clone(), content);
                }
            }
            history.note(number, format_args!("begins on {} with {shown:?}", queue.name()));
        }
        let event: SqsEvent = serde_json::from_value(lambda_event(&messages)).unwrap_or_default();
        let task = Task::new(Box::pin({
            let function = Arc::clone(&function);
            async move { function.handle(event, Deadline::at(deadline)).await }
        }));
        self.running.push(Invocation { number, role, queue, messages, function, task, deadline });
    }

    fn poll(&mut self, index: usize) {
        let Some(one) = self.running.get_mut(index) else { return };
        let polled = one.task.poll();
        if one.function.instance.has_crashed() {
            let one = self.running.swap_remove(index);
            self.fall(&one, "CRASHES");
            return;
        }
        if let Poll::Ready(answer) = polled {
            let one = self.running.swap_remove(index);
            self.finish(one.number, "ends");
            self.take(&one, answer);
            self.idle.entry(one.role).or_default().push(one.function);
        }
    }

    /// It ends without order.
    fn fall(&self, one: &Invocation, how: &str) {
        self.finish(one.number, how);
        let history = &mut self.world.lock().history;
        for message in &one.messages {
            history.died(&message.message_id);
        }
    }

    fn finish(&self, number: u64, how: &str) {
        let history = &mut self.world.lock().history;
        history.running.remove(&number);
        history.note(number, format_args!("{how}"));
    }

    /// Ends the invocations whose time is up. Lambda starts their instances anew.
    fn end_overdue(&mut self) {
        let now = self.world.clock.now();
        while let Some(index) = self.running.iter().position(|one| one.deadline <= now) {
            let one = self.running.swap_remove(index);
            self.fall(&one, "TIMES OUT");
        }
    }

    /// Takes an answer: what is not named in it as failed is deleted.
    fn take(&self, one: &Invocation, answer: Result<SqsBatchResponse, UnusableBatch>) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.world.lock().history.report(one.number, format_args!("the whole batch failed: {error}"));
                return;
            }
        };
        let ids: BTreeSet<&str> = one.messages.iter().map(|message| message.message_id.as_str()).collect();
        let failed: BTreeSet<&str> =
            answer.batch_item_failures.iter().map(|item| item.item_identifier.as_str()).collect();
        if !failed.is_subset(&ids) || failed.len() < answer.batch_item_failures.len() {
            self.world
                .lock()
                .history
                .report(one.number, format_args!("the answer names {failed:?}, and the batch has {ids:?}"));
            return;
        }
        for message in one.messages.iter().filter(|message| !failed.contains(message.message_id.as_str())) {
            let undeleted = {
                let state = &mut *self.world.lock();
                acknowledge(&mut state.history, one.number, message);
                state.dice.happens(state.weather.undeleted)
            };
            if !undeleted {
                self.world.queues.delete(&one.queue, &message.receipt_handle);
            }
        }
    }
}
