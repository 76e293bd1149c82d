//! One run through one dead-letter queue that moves messages back: the protocol of [`crate::delivery::redrive`], step
//! by step.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::Observer;
use super::walk::{Walker, patience};
use crate::delivery::ledger::{DeliveryKey, Status};
use crate::delivery::order::waves;
use crate::delivery::redrive::{Filter, Letter, Received, Standing, Verdict, decide, restored};
use crate::id::{TenantId, digest};
use crate::port::{Clock, DeadLetters, Ledger, RedriveJournal, Sending, Unavailable};
use crate::queue::QueueArn;
use crate::wire::Replayed;

/// SQS's bound of a call.
const ENTRIES: usize = 10;
/// For how long the messages of a step are hidden, apart from what the rate asks: its five calls take seconds at worst.
const HIDDEN: Duration = Duration::from_mins(1);

/// One dead-letter queue, and where its messages came from.
#[derive(Debug, Clone)]
pub struct Way {
    /// Whose they are.
    pub tenant: TenantId,
    /// Where the messages lie.
    pub dead_letters: QueueArn,
    /// Where they go.
    pub source: QueueArn,
    /// How many there are at the start, hidden ones included: no run looks at more.
    pub depth: u64,
}

/// What an operator orders.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// Which messages are meant.
    pub filter: Filter,
    /// At most so many are moved.
    pub limit: Option<u64>,
    /// At most so many a second.
    pub rate: Option<u32>,
    /// Whether those are sent again of which nobody knows whether a killed run sent them.
    pub resend_unsure: bool,
    /// The run: a text that no other run has.
    pub run: String,
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Redriven {
    /// Sent by this run, and deleted.
    pub moved: u64,
    /// Sent by a run before this one, and only deleted.
    pub finished: u64,
    /// Left where they are, because they may have been sent.
    pub unsure: u64,
    /// Not sent, and left where they are.
    pub failed: u64,
    /// Why it ended before its end, where it did.
    pub broken: Option<Unavailable>,
}

/// Moves messages back. What is killed on the way can be run again: see [`crate::delivery::redrive`].
pub async fn redrive<D: DeadLetters, J: RedriveJournal, L: Ledger, C: Clock + ?Sized, W: Observer>(
    ports: (&D, &J, &L, &C),
    way: &Way,
    order: &Order,
    watch: &W,
) -> Redriven {
    let (queues, journal, ledger, clock) = ports;
    let rate = order.rate.unwrap_or(u32::MAX).max(1);
    let brief = HIDDEN + Duration::from_secs(10) / rate;
    let depth = u32::try_from(way.depth).unwrap_or(u32::MAX);
    // Those that stay are hidden for as long as the run takes, so that it does not meet them again.
    let long = patience(way.depth).saturating_add(Duration::from_secs(2).saturating_mul(depth) / rate);
    let walker = Walker::new(queues, &way.dead_letters, brief, way.depth);
    let mut run = Run {
        queues,
        journal,
        ledger,
        clock,
        way,
        order,
        watch,
        walker,
        long,
        sent: BTreeSet::new(),
        stuck: false,
        owed: Duration::ZERO,
        redriven: Redriven::default(),
    };
    run.redriven.broken = run.all().await.err();
    run.walker.release().await;
    run.redriven
}

struct Run<'a, D, J, L, C: ?Sized, W> {
    queues: &'a D,
    journal: &'a J,
    ledger: &'a L,
    clock: &'a C,
    way: &'a Way,
    order: &'a Order,
    watch: &'a W,
    walker: Walker<'a, D>,
    long: Duration,
    /// The ids of the dead letters whose copies this run sent.
    sent: BTreeSet<String>,
    /// Whether a FIFO queue's order forbids to go on.
    stuck: bool,
    /// How long the last step may still take, by the rate.
    owed: Duration,
    redriven: Redriven,
}

impl<D: DeadLetters, J: RedriveJournal, L: Ledger, C: Clock + ?Sized, W: Observer> Run<'_, D, J, L, C, W> {
    async fn all(&mut self) -> Result<(), Unavailable> {
        while self.walker.seen() < self.way.depth && self.goes_on() {
            let received = self.walker.next().await?;
            if received.is_empty() {
                break;
            }
            let (mut chosen, others): (Vec<_>, Vec<_>) = received.into_iter().partition(|one| self.wants(one));
            self.walker.keep_hidden(&others, self.long).await;
            while !chosen.is_empty() {
                let size = self.step_size().min(chosen.len());
                if size == 0 || !self.goes_on() {
                    break;
                }
                let rest = chosen.split_off(size);
                self.step(std::mem::replace(&mut chosen, rest)).await;
            }
            for one in &chosen {
                self.walker.keep(one);
            }
        }
        Ok(())
    }

    fn goes_on(&self) -> bool {
        !self.stuck && !self.watch.ends() && self.step_size() > 0
    }

    /// Five steps a second are even enough, and let calls be batches. Zero where the limit is reached.
    fn step_size(&self) -> usize {
        let paced = self.order.rate.map_or(ENTRIES, |rate| usize::try_from(rate / 5).unwrap_or(ENTRIES));
        let room = self.order.limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.redriven.moved));
        paced.clamp(1, ENTRIES).min(usize::try_from(room).unwrap_or(ENTRIES))
    }

    fn wants(&self, one: &Received) -> bool {
        let letter = Letter::read(&one.message);
        let came_back = letter.redriven_from.as_ref().is_some_and(|id| self.sent.contains(id));
        !came_back && self.order.filter.takes(&letter)
    }

    /// Moves a handful: begin, send, settle, delete.
    async fn step(&mut self, letters: Vec<Received>) {
        self.clock.sleep(std::mem::take(&mut self.owed)).await;
        let now = self.clock.now();
        let (tenant, queue) = (&self.way.tenant, &self.way.dead_letters);
        let fifo = self.way.source.is_fifo();
        let ids: Vec<String> = letters.iter().map(|one| one.message.message_id.clone()).collect();
        let standings = self.journal.begin(tenant, queue, &ids, &self.order.run, now).await;
        let (mut sending, mut done, mut unbegun) = (Vec::new(), Vec::new(), Vec::new());
        for (one, standing) in letters.into_iter().zip(standings) {
            let verdict = match standing {
                Ok(standing) => self.verdict(&one, standing, fifo, now).await.map(|verdict| (standing, verdict)),
                Err(error) => Err(error),
            };
            match verdict {
                // In a FIFO queue nothing overtakes what stays.
                Ok((Standing::Mine, _)) if self.stuck => unbegun.push(one),
                Ok(_) if self.stuck => self.walker.keep(&one),
                Ok((_, Verdict::Send)) => sending.push(one),
                Ok((_, Verdict::Finish)) => done.push(one),
                Ok((_, Verdict::Unsure)) => self.leave_unsure(&one, fifo),
                Err(error) => self.fail(&one, &format!("{error:?}"), fifo),
            }
        }
        self.redriven.finished += done.len() as u64;
        // In a FIFO queue a call has at most one of a group: it may fail for some, and a second one could go in without
        // the first.
        let calls = if fifo { waves(sending, |one| one.group.clone()) } else { vec![sending] };
        for wave in calls {
            if self.stuck {
                unbegun.extend(wave);
            } else {
                let sent = self.send(wave, &mut unbegun, fifo).await;
                done.extend(sent);
            }
        }
        self.delete(&done).await;
        self.forget(&unbegun).await;
        self.watch.dealt(ids.len() as u64);
    }

    async fn verdict(
        &self,
        one: &Received,
        standing: Standing,
        fifo: bool,
        now: Timestamp,
    ) -> Result<Verdict, Unavailable> {
        let delivered = matches!(standing, Standing::Begun(_)) && self.delivered(one).await?;
        Ok(decide(standing, delivered, fifo, self.order.resend_unsure, now))
    }

    /// Whether the ledger says that this delivery, with this content, was made.
    async fn delivered(&self, one: &Received) -> Result<bool, Unavailable> {
        let letter = Letter::read(&one.message);
        let Some((event, sink)) = letter.event.zip(letter.sink) else { return Ok(false) };
        let replay = Replayed::of(&one.message.attributes).map(|replay| replay.id);
        let answer =
            self.ledger.read(&self.way.tenant, &[DeliveryKey { event, sink, replay }]).await.pop().transpose()?;
        let content = digest(one.message.body.as_bytes());
        Ok(answer.flatten().is_some_and(|record| record.status == Status::Delivered && record.digest == content))
    }

    /// Sends, and says so in the journal; answers those whose copies are there.
    async fn send(&mut self, letters: Vec<Received>, unbegun: &mut Vec<Received>, fifo: bool) -> Vec<Received> {
        if letters.is_empty() {
            return letters;
        }
        if let Some(rate) = self.order.rate {
            self.owed += Duration::from_secs(1).saturating_mul(u32::try_from(letters.len()).unwrap_or(1)) / rate.max(1);
        }
        let messages: Vec<_> = letters.iter().map(restored).collect();
        let answers = self.queues.send_once(&self.way.source, &messages).await;
        let mut sent = Vec::with_capacity(letters.len());
        for (one, answer) in letters.into_iter().zip(answers) {
            match answer {
                Sending::Sent => sent.push(one),
                Sending::NotSent(why) => {
                    self.fail(&one, &why, fifo);
                    unbegun.push(one);
                }
                Sending::Unknown(error) => {
                    self.watch.trouble(&format!("message {}: {error:?}", one.message.message_id));
                    self.leave_unsure(&one, fifo);
                }
            }
        }
        let ids: Vec<String> = sent.iter().map(|one| one.message.message_id.clone()).collect();
        let now = self.clock.now();
        if !ids.is_empty()
            && let Err(error) = self.journal.settle(&self.way.tenant, &self.way.dead_letters, &ids, now).await
        {
            // Deleting them says the same.
            self.watch.trouble(&format!("the journal: {error:?}"));
        }
        self.redriven.moved += sent.len() as u64;
        self.sent.extend(ids);
        sent
    }

    async fn delete(&self, letters: &[Received]) {
        for some in letters.chunks(ENTRIES) {
            let handles: Vec<String> = some.iter().map(|one| one.message.receipt_handle.clone()).collect();
            for (one, answer) in some.iter().zip(self.queues.delete(&self.way.dead_letters, &handles).await) {
                if let Err(error) = answer {
                    let id = &one.message.message_id;
                    self.watch
                        .trouble(&format!("message {id} was moved, and the next run will delete it here: {error:?}"));
                }
            }
        }
    }

    /// Takes back what was begun and certainly not sent. What the journal keeps is unsure to the next run.
    async fn forget(&mut self, letters: &[Received]) {
        for one in letters {
            self.walker.keep(one);
        }
        let ids: Vec<String> = letters.iter().map(|one| one.message.message_id.clone()).collect();
        if !ids.is_empty()
            && let Err(error) = self.journal.forget(&self.way.tenant, &self.way.dead_letters, &ids).await
        {
            self.watch.trouble(&format!("the journal: {error:?}"));
        }
    }

    fn fail(&mut self, one: &Received, why: &str, fifo: bool) {
        self.watch.trouble(&format!("message {}: {why}", one.message.message_id));
        self.redriven.failed += 1;
        self.stuck |= fifo;
        self.walker.keep(one);
    }

    fn leave_unsure(&mut self, one: &Received, fifo: bool) {
        self.redriven.unsure += 1;
        self.stuck |= fifo;
        self.walker.keep(one);
    }
}
