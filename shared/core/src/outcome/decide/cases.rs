//! The decisions about whole messages: which come back, when, and from where.

use proptest::prelude::*;

use super::*;
use crate::outcome::Hold;
use crate::outcome::cause::table;
use crate::outcome::wait::{EXTRA_HIDDEN, LONGEST_HIDDEN, SPARE_RECEIVES};

/// A message of a standard queue that was received once, for its first attempt.
fn first(policy: &RetryPolicy) -> Situation<'_> {
    let stay = Stay { receive_count: 1, attempts_used: 1, fifo: false, is_suspect: false };
    Situation { policy, attempt: 1, received: 1, expires_in: None, has_reservation: false, stay }
}

fn received(policy: &RetryPolicy, receive_count: u32, attempts_used: u32) -> Situation<'_> {
    let stay = Stay { receive_count, attempts_used, fifo: false, is_suspect: false };
    Situation { stay, ..first(policy) }
}

fn not_due(wait: Duration) -> Cause {
    Cause::NotDue { remaining: wait }
}

fn held(by: Hold, seconds: u64) -> Cause {
    Cause::Held { by, remaining: Duration::from_secs(seconds) }
}

fn status(code: u16) -> Cause {
    Cause::Status { code, retry_after: None }
}

#[test]
fn a_failure_is_never_acknowledged_unless_it_was_done_before() {
    // What expired is not wanted any more, and is recorded as such.
    let policy = RetryPolicy::default();
    for (cause, outcome, _) in table() {
        let acknowledged = decide(&cause, &first(&policy), 0.5) == Disposition::Acknowledge;
        let silent = matches!(outcome, Outcome::Duplicate | Outcome::Filtered | Outcome::Expired | Outcome::Shadowed);
        assert_eq!(acknowledged, silent, "{cause:?}");
    }
}

#[test]
fn what_spends_no_attempt_never_exhausts_the_schedule() {
    let policy = RetryPolicy::default();
    let late = Situation { attempt: 999, received: 999, ..first(&policy) };
    for (cause, outcome, spends) in table() {
        if !spends && matches!(outcome, Outcome::Retry | Outcome::RetryAfter(_)) {
            let decided = decide(&cause, &late, 0.5);
            assert!(matches!(decided, Disposition::Hide(_) | Disposition::Delay(_)), "{cause:?}: {decided:?}");
        }
    }
}

#[test]
fn the_attempt_after_the_last_wait_is_the_last() {
    let policy = RetryPolicy::new(vec![Duration::from_secs(5)]);
    let attempt = |attempt| decide(&status(500), &Situation { attempt, ..first(&policy) }, 0.5);
    assert!(matches!(attempt(1), Disposition::Hide(_)));
    assert_eq!(attempt(2), Disposition::Quarantine(Reason::AttemptsExhausted));
}

#[test]
fn what_would_be_attempted_after_its_expiry_comes_back_when_that_is_over_and_what_waits_for_ours_does_not() {
    let policy = RetryPolicy::new(vec![Duration::from_secs(100)]);
    let soon = Situation { expires_in: Some(Duration::from_secs(7)), ..first(&policy) };
    assert_eq!(decide(&status(500), &soon, 0.5), Disposition::Hide(Duration::from_secs(7)));
    let wait = Duration::from_mins(1);
    assert_eq!(decide(&not_due(wait), &soon, 0.5), Disposition::Hide(wait), "nothing was attempted");
}

#[test]
fn a_wait_of_a_quarter_of_an_hour_is_hidden_and_a_longer_one_is_delayed_unless_order_is_kept() {
    let policy = RetryPolicy::default();
    let longer = LONGEST_HIDDEN + Duration::from_millis(1);
    assert_eq!(decide(&not_due(LONGEST_HIDDEN), &first(&policy), 0.5), Disposition::Hide(LONGEST_HIDDEN));
    assert_eq!(decide(&not_due(longer), &first(&policy), 0.5), Disposition::Delay(longer));
    let mut ordered = received(&policy, 99, 0);
    ordered.stay.fifo = true;
    assert_eq!(decide(&not_due(longer), &ordered, 0.5), Disposition::Hide(longer));
}

#[test]
fn a_message_that_was_received_often_for_nothing_is_delayed_however_short_the_wait() {
    let (policy, wait) = (RetryPolicy::default(), Duration::from_secs(1));
    let back =
        |receive_count, attempts_used| decide(&not_due(wait), &received(&policy, receive_count, attempts_used), 0.5);
    assert_eq!(back(5, 0), Disposition::Hide(wait));
    assert_eq!(back(6, 0), Disposition::Delay(wait));
    assert_eq!(back(6, 3), Disposition::Hide(wait), "attempts are what receives are for");
}

#[test]
fn a_suspect_stays_in_its_queue_and_far_from_others_where_its_receives_run_out() {
    let (policy, wait) = (RetryPolicy::default(), Duration::from_secs(7));
    let suspect = |receive_count, wait| {
        let mut situation = received(&policy, receive_count, 0);
        situation.stay.is_suspect = true;
        decide(&not_due(wait), &situation, 0.5)
    };
    assert_eq!(suspect(1, wait), Disposition::Hide(wait));
    assert_eq!(suspect(1, LONGEST_HIDDEN * 2), Disposition::Hide(LONGEST_HIDDEN * 2));
    assert_eq!(suspect(6, wait), Disposition::Hide(EXTRA_HIDDEN + wait));
}

#[test]
fn what_could_not_be_delayed_uses_up_few_receives_and_keeps_its_distance_and_its_place() {
    let (policy, wait) = (RetryPolicy::default(), Duration::from_secs(7));
    let undelayed = |cause: &Cause, receive_count, has_reservation| {
        let situation = Situation { has_reservation, ..received(&policy, receive_count, 0) };
        fallback(Undone::Delay(wait), cause, &situation, 0.5)
    };
    assert_eq!(undelayed(&not_due(wait), 6, false), Disposition::Hide(EXTRA_HIDDEN + wait));
    assert_eq!(undelayed(&held(Hold::Rate, 7), 6, false), Disposition::Hide(EXTRA_HIDDEN + wait));
    assert_eq!(
        undelayed(&held(Hold::Rate, 7), 6, true),
        Disposition::Hide(wait),
        "it comes in time for its reservation"
    );
    assert_eq!(undelayed(&held(Hold::Rate, 7), 1, false), Disposition::Hide(wait), "it has receives left");
}

#[test]
fn what_its_dead_letter_queue_does_not_take_comes_back_and_waits_outside_once_it_came_often() {
    let policy = RetryPolicy::default();
    let untaken =
        |receive_count| fallback(Undone::Quarantine, &Cause::CrashLoop, &received(&policy, receive_count, 0), 0.5);
    assert_eq!(untaken(1), Disposition::Hide(back_off(1, 0.5)));
    assert_eq!(untaken(6), Disposition::Delay(back_off(6, 0.5)));
}

#[test]
fn a_message_without_a_reservation_and_one_that_a_circuit_holds_for_a_minute_are_delayed_but_from_fifo_queues() {
    let policy = RetryPolicy::default();
    let decided = |cause: Cause, has_reservation| decide(&cause, &Situation { has_reservation, ..first(&policy) }, 0.5);
    let (minute, less) = (Duration::from_mins(1), Duration::from_secs(59));
    assert_eq!(decided(held(Hold::Rate, 1), false), Disposition::Delay(Duration::from_secs(1)));
    assert_eq!(decided(held(Hold::Rate, 600), true), Disposition::Hide(Duration::from_mins(10)));
    assert_eq!(decided(held(Hold::CircuitOpen, 60), true), Disposition::Delay(minute));
    assert_eq!(decided(held(Hold::CircuitOpen, 59), false), Disposition::Hide(less));
    assert_eq!(decided(not_due(Duration::from_mins(10)), true), Disposition::Hide(Duration::from_mins(10)));
    let mut ordered = first(&policy);
    ordered.stay.fifo = true;
    assert_eq!(decide(&held(Hold::Rate, 1), &ordered, 0.5), Disposition::Hide(Duration::from_secs(1)));
}

#[test]
fn a_message_that_repeats_another_one_needs_no_second_copy_where_that_one_lies_safe() {
    let wait = Duration::from_secs(9);
    assert_eq!(of_follower(Disposition::Acknowledge), Disposition::Acknowledge);
    assert_eq!(of_follower(Disposition::Quarantine(Reason::Rejected)), Disposition::Acknowledge);
    assert_eq!(of_follower(Disposition::Delay(wait)), Disposition::Acknowledge);
    assert_eq!(of_follower(Disposition::Hide(wait)), Disposition::Hide(wait));
}

proptest! {
    /// A message's life in one queue: each receive spends an attempt of its schedule or not, and asks for some wait.
    #[test]
    fn no_message_uses_up_its_receives_without_spending_its_attempts(
        attempts in 1_u32..20,
        life in proptest::collection::vec((any::<bool>(), 0_u64..200_000), 1..200),
    ) {
        let policy = RetryPolicy::default();
        let (mut receive_count, mut attempts_used) = (0, 0);
        for (spends, wait) in life {
            receive_count += 1;
            // What is left of a hundred is for crashes, which decide nothing.
            prop_assert!(receive_count <= attempts + SPARE_RECEIVES + 1, "{receive_count} receives, {attempts_used} of {attempts} spent");
            attempts_used += u32::from(spends);
            if attempts_used == attempts {
                break;
            }
            let decided = decide(&not_due(Duration::from_secs(wait)), &received(&policy, receive_count, attempts_used), 0.5);
            if matches!(decided, Disposition::Delay(_)) {
                receive_count = 0;
            }
        }
    }
}
