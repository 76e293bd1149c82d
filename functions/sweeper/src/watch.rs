//! One look of the watch: from the memory of the last to the alert, and what is remembered for the next.
//!
//! What is known not to be empty is looked at each time, and of the other queues a share, so that each has its turn in
//! a quarter of an hour ([`acequia_core::watch`]). Where the time is up, the next look goes on where this one stopped.
//!
//! Invariants:
//! - A call that fails costs what it was about, never the look: it is counted, and what it was about waits for the
//!   next.
//! - Dead letters that are looked at for their reason are visible again at once, and are not deleted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::redrive::Filter;
use acequia_core::flow::redrive::walk;
use acequia_core::id::Stage;
use acequia_core::port::{Ages, Alerts, Clock, DeadLetters, Findings, Sweeping, Unavailable, WatchedQueues};
use acequia_core::queue::QueueArn;
use acequia_core::watch::{
    ALARMS_TAG, Alarms, Asked, Finding, Limits, MOST_NAMED, News, Told, Trouble, Watched, Why, alert, next_share,
};
use acequia_lambda::{Deadline, Telemetry, WatchMetrics};
use futures::StreamExt as _;
use jiff::Timestamp;

use crate::until::Until;

const TURN: &str = "watch";
/// How many queues are measured at once.
const LANES: usize = 16;
/// With less time left no more queues are measured.
const TO_MEASURE: Duration = Duration::from_secs(25);
/// With less time left no more dead letters are looked at.
const TO_LOOK: Duration = Duration::from_secs(12);
/// After so many failures in one look the others would fail too: a permission is missing, or SQS throttles.
const GIVE_UP: u64 = 50;
/// How many dead letters of a queue are looked at for the most frequent reason: two calls.
const SAMPLE: u64 = 20;

/// The watch, wired to its ports.
pub struct Watcher<S, Q, A, F, D, O> {
    /// The stage whose queues it watches.
    pub stage: Stage,
    /// From when on a queue is in trouble.
    pub limits: Limits,
    /// Decides whose turn it is.
    pub turns: S,
    /// The queues.
    pub queues: Q,
    /// How old messages are.
    pub ages: A,
    /// The memory.
    pub findings: F,
    /// The dead letters themselves.
    pub dead_letters: D,
    /// Where its alerts go.
    pub alerts: O,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is told of the work.
    pub telemetry: Telemetry,
}

/// What a queue is known to be in this look.
struct Look {
    watched: Watched,
    messages: u64,
    finding: Finding,
    /// Whether the finding is not remembered as it is now.
    changed: bool,
    age: Option<Duration>,
    trouble: Option<Trouble>,
}

impl<S: Sweeping, Q: WatchedQueues, A: Ages, F: Findings, D: DeadLetters, O: Alerts> Watcher<S, Q, A, F, D, O> {
    /// Looks once, in so many looks at all queues. What fails is told, counted, and left to the next look: that one
    /// comes whatever is answered, and a repetition by Lambda would be one too many.
    pub async fn handle(&self, looks: usize, deadline: Deadline) {
        let mut metrics = WatchMetrics::default();
        match self.turns.turn(TURN, self.clock.now(), deadline.lease()).await {
            Ok(true) => {
                if let Err(error) = self.look(looks, deadline, &mut metrics).await {
                    failed(&mut metrics, &error, "the memory of the watch does not answer: nobody is told of anything");
                }
            }
            Ok(false) => {
                tracing::info!("another invocation watches");
                return;
            }
            Err(error) => failed(&mut metrics, &error, "the watch cannot take its turn"),
        }
        self.telemetry.write_watch(&self.stage, self.clock.now(), &metrics);
    }

    async fn look(&self, looks: usize, deadline: Deadline, metrics: &mut WatchMetrics) -> Result<(), Unavailable> {
        let now = self.clock.now();
        let remembered = self.findings.remembered().await?;
        let known: BTreeMap<QueueArn, Finding> = remembered.findings.into_iter().collect();
        let all = self.queues.list(&self.stage).await.unwrap_or_else(|error| {
            failed(metrics, &error, "the queues cannot be listed: only those that held something are looked at");
            Vec::new()
        });
        metrics.watched_queues = count(all.len());
        let share = next_share(&all, remembered.cursor.as_deref(), looks);
        let end = share.last().map(|one| one.queue.name().to_owned());
        let order = in_turn(share, &known, now);
        let measured = self.measure(&order, deadline, metrics).await;
        let is_idle = |one: &&Watched| !known.contains_key(&one.queue);
        let reached = order.iter().take(measured.len()).rfind(is_idle);
        let stop = if measured.len() == order.len() { end } else { reached.map(|one| one.queue.name().to_owned()) };
        let (mut found, mut empty) = (Vec::new(), Vec::new());
        for (watched, messages) in order.into_iter().zip(measured) {
            let before = known.get(&watched.queue).copied();
            let Some(messages) = messages else { continue };
            match Finding::after_look(before, messages, now) {
                Some(finding) => {
                    found.push(Look {
                        watched,
                        messages,
                        finding,
                        changed: before.is_none(),
                        age: None,
                        trouble: None,
                    });
                }
                None if before.is_some() => empty.push(watched.queue),
                None => {}
            }
        }
        self.ask_ages(&mut found, now, metrics).await;
        for Look { watched, messages, age, trouble, .. } in &mut found {
            *trouble = Trouble::of(&watched.name, *messages, *age, self.limits);
        }
        self.ask_alarms(&mut found, now, deadline, metrics).await;
        let news = Self::judge(&mut found, now, metrics);
        let untold = self.remember(&found, &empty, now, metrics).await;
        if let Some(stop) = stop
            && let Err(error) = self.findings.stop_at(&stop, now).await
        {
            failed(
                metrics,
                &error,
                "where the watch stopped is not remembered: the next look begins where this one did",
            );
        }
        self.tell(news.into_iter().filter(|one| !untold.contains(&one.0)).collect(), &found, deadline, metrics).await;
        Ok(())
    }

    /// How many messages each queue holds, in order; `None` where that could not be had. What is gone holds none. It
    /// ends early where the time is up.
    async fn measure(&self, order: &[Watched], deadline: Deadline, metrics: &mut WatchMetrics) -> Vec<Option<u64>> {
        // Made one by one: thousands of calls that wait to begin would fill the memory.
        let calls = order.iter().map(|one| self.queues.messages(&one.queue));
        let mut answers = futures::stream::iter(calls).buffered(LANES);
        let mut measured = Vec::with_capacity(order.len());
        while deadline.for_effects(&*self.clock) >= TO_MEASURE {
            match answers.next().await {
                Some(Ok(messages)) => measured.push(Some(messages.unwrap_or(0))),
                Some(Err(error)) => {
                    failed(metrics, &error, "a queue cannot be measured");
                    measured.push(None);
                }
                None => break,
            }
            if metrics.watch_failed >= GIVE_UP {
                break;
            }
        }
        if measured.len() < order.len() {
            tracing::warn!(
                queues = order.len() - measured.len(),
                "not all queues were looked at: the next look goes on there"
            );
        }
        metrics.looked_at = count(measured.len());
        measured
    }

    /// Asks how old the oldest messages are where one may be too old.
    async fn ask_ages(&self, found: &mut [Look], now: Timestamp, metrics: &mut WatchMetrics) {
        let mut asked: Vec<&mut Look> = found
            .iter_mut()
            .filter(|look| !look.watched.name.dlq && look.finding.may_be_too_old(self.limits, now))
            .collect();
        let queues: Vec<QueueArn> = asked.iter().map(|look| look.watched.queue.clone()).collect();
        if queues.is_empty() {
            return;
        }
        match self.ages.ages(&queues, now).await {
            Ok(ages) => asked.iter_mut().zip(ages).for_each(|(look, age)| look.age = age),
            Err(error) => failed(metrics, &error, "how old messages are is not known"),
        }
    }

    /// Asks whose the alarms of the queues in trouble are, where that is not known.
    async fn ask_alarms(&self, found: &mut [Look], now: Timestamp, deadline: Deadline, metrics: &mut WatchMetrics) {
        let is_open = |look: &&mut Look| look.trouble.is_some() && look.finding.alarms(now).is_none();
        let mut open: Vec<&mut Look> = found.iter_mut().filter(is_open).collect();
        let queues: Vec<QueueArn> = open.iter().map(|look| look.watched.queue.clone()).collect();
        let calls = queues.iter().map(|queue| self.queues.tag(queue, ALARMS_TAG));
        let mut answers = futures::stream::iter(calls).buffered(LANES);
        for look in &mut open {
            if deadline.for_effects(&*self.clock) < TO_LOOK || metrics.watch_failed >= GIVE_UP {
                return;
            }
            match answers.next().await {
                Some(Ok(tag)) => {
                    look.finding.asked = Some(Asked { alarms: Alarms::of_tag(tag.as_deref()), at: now });
                    look.changed = true;
                }
                Some(Err(error)) => failed(metrics, &error, "whose the alarms of a queue are is not known"),
                None => return,
            }
        }
    }

    /// Returns what is new, by the place in `found`, the worst first, and the sums of what is wrong. Both leave out
    /// tenants that have alarms of their own.
    fn judge(found: &mut [Look], now: Timestamp, metrics: &mut WatchMetrics) -> Vec<(usize, Trouble)> {
        let mut news = Vec::new();
        // As long as it is not known, a queue is taken for one without.
        let is_watched =
            |(_, look): &(usize, &mut Look)| look.finding.asked.is_none_or(|asked| asked.alarms != Alarms::Own);
        for (index, look) in found.iter_mut().enumerate().filter(is_watched) {
            metrics.oldest_message = metrics.oldest_message.max(look.age.unwrap_or_default());
            if let Some(Trouble::DeadLetters(letters)) = look.trouble {
                metrics.dead_letters += letters;
                metrics.dead_letter_queues += 1;
            }
            if let Some(trouble) = look.trouble.filter(|trouble| look.finding.is_news(*trouble, now)) {
                look.changed = true;
                news.push((index, trouble));
            }
        }
        // Dead letters before what waits.
        news.sort_by_key(|(_, trouble)| {
            std::cmp::Reverse((matches!(trouble, Trouble::DeadLetters(_)), trouble.size()))
        });
        news
    }

    /// Remembers what changed; answers the places in `found` of what could not be.
    async fn remember(
        &self,
        found: &[Look],
        empty: &[QueueArn],
        now: Timestamp,
        metrics: &mut WatchMetrics,
    ) -> Vec<usize> {
        let changed: Vec<usize> =
            found.iter().enumerate().filter(|(_, look)| look.changed).map(|(index, _)| index).collect();
        let rows: Vec<(QueueArn, Finding)> =
            found.iter().filter(|look| look.changed).map(|look| (look.watched.queue.clone(), look.finding)).collect();
        let mut lost = Vec::new();
        if !rows.is_empty() {
            for (index, answer) in changed.into_iter().zip(self.findings.remember(&rows, now).await) {
                if let Err(error) = answer {
                    failed(metrics, &error, "a finding is not remembered: nobody is told of it yet");
                    lost.push(index);
                }
            }
        }
        if !empty.is_empty() {
            for error in self.findings.forget(empty).await.into_iter().filter_map(Result::err) {
                failed(metrics, &error, "a queue that is empty is not forgotten");
            }
        }
        lost
    }

    /// Tells the operators in one alert, and remembers that.
    async fn tell(&self, news: Vec<(usize, Trouble)>, found: &[Look], deadline: Deadline, metrics: &mut WatchMetrics) {
        let mut told = Vec::with_capacity(news.len());
        let mut rows = Vec::with_capacity(news.len());
        for (index, trouble) in news {
            let Some(look) = found.get(index) else { continue };
            let why = if told.len() < MOST_NAMED { self.why(look, deadline).await } else { None };
            let name = look.watched.name.clone();
            tracing::warn!(tenant.id = %name.tenant, queue = look.watched.queue.name(), messages = look.messages,
                oldest_s = look.age.map(|age| age.as_secs()), reason = why.map(Why::as_str), "a queue needs a look");
            told.push(News { name, trouble, why });
            let is_told = Told { size: trouble.size(), at: self.clock.now() };
            rows.push((look.watched.queue.clone(), Finding { told: Some(is_told), ..look.finding }));
        }
        let Some(alert) = alert(&self.stage, &told) else { return };
        let answer = match &alert.tenant {
            Some(tenant) => self.alerts.send(tenant, &alert.subject, &alert.text).await,
            None => self.alerts.send_of_platform(&alert.subject, &alert.text).await,
        };
        if let Err(error) = answer {
            failed(metrics, &error, "the operators could not be told of queues in trouble: the next look tells them");
            return;
        }
        metrics.told = count(told.len());
        for error in self.findings.remember(&rows, self.clock.now()).await.into_iter().filter_map(Result::err) {
            failed(metrics, &error, "that operators were told is not remembered: they will hear it again");
        }
    }

    /// Why most of the first dead letters of a queue are there; `None` where that cannot be seen now.
    async fn why(&self, look: &Look, deadline: Deadline) -> Option<Why> {
        if !look.watched.says_why() {
            return None;
        }
        let watch = Until { deadline, clock: &*self.clock, spare: TO_LOOK, tenant: &look.watched.name.tenant };
        let (filter, mut codes) = (Filter::default(), Vec::new());
        let sample = look.messages.min(SAMPLE);
        let walked = walk(&self.dead_letters, &look.watched.queue, sample, &filter, &watch, |_, letter| {
            codes.push(letter.reason);
            count(codes.len()) < sample
        });
        if let Err(error) = walked.await {
            tracing::warn!(queue = look.watched.queue.name(), error = ?error, "a reason cannot be seen");
        }
        Why::most_frequent(codes.iter().map(String::as_str))
    }
}

/// What was found before and what is its share now, one of each in turn, so that neither waits for the other's end. Of
/// what was found before each look begins elsewhere: where the time is too short for all, it is not always too short
/// for the same ones.
fn in_turn(share: Vec<Watched>, known: &BTreeMap<QueueArn, Finding>, now: Timestamp) -> Vec<Watched> {
    let mut lively: Vec<Watched> = known.keys().cloned().filter_map(Watched::of).collect();
    let first = usize::try_from(now.as_second()).unwrap_or_default().checked_rem(lively.len()).unwrap_or_default();
    lively.rotate_left(first);
    let mut idle = share.into_iter().filter(|one| !known.contains_key(&one.queue));
    let mut order = Vec::new();
    for one in lively {
        order.push(one);
        order.extend(idle.next());
    }
    order.extend(idle);
    order
}

fn failed(metrics: &mut WatchMetrics, error: &Unavailable, what: &str) {
    metrics.watch_failed += 1;
    // The first says it; hundreds would say the same.
    if metrics.watch_failed <= 3 {
        tracing::error!(error = ?error, "{what}");
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
