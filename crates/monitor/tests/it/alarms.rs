//! Alarms from outside: points and time in, states, history and mails out.

use crate::world::{World, metric, seconds};
use millstream_monitor::{
    Alarm, AlarmActions, AlarmDefinition, AlarmError, AlarmState, Comparison, Location, MailStatus,
    MissingData, MonitorSettings, Protocol, Statistic,
};
use proptest::prelude::*;

fn definition(m: u32, n: u32) -> AlarmDefinition {
    AlarmDefinition {
        name: "high".to_owned(),
        metric: metric(),
        statistic: Statistic::Maximum,
        period: 10,
        evaluation_periods: n,
        datapoints_to_alarm: m,
        comparison: Comparison::GreaterThanThreshold,
        threshold: 3.0,
        missing_data: MissingData::Missing,
        actions: AlarmActions {
            alarm: vec!["alerts".to_owned()],
            ok: vec!["alerts".to_owned()],
            insufficient_data: Vec::new(),
        },
    }
}

fn alarm(world: &World) -> Alarm {
    let mut alarms = world.monitor.alarms().unwrap();
    assert_eq!(alarms.len(), 1);
    alarms.remove(0)
}

/// Puts a value, lets the period end, and judges.
fn period(world: &World, value: Option<f64>) -> AlarmState {
    if let Some(value) = value {
        world.put(value);
    }
    world.advance(10);
    world.tick();
    alarm(world).state
}

fn subjects(world: &World) -> Vec<String> {
    world.monitor.mails(100).unwrap().into_iter().map(|mail| mail.subject).rev().collect()
}

#[test]
fn a_change_is_told_once() {
    let world = World::new();
    world.monitor.create_topic("alerts").unwrap();
    world.monitor.subscribe("alerts", Protocol::Email, "reader@example.com").unwrap();
    world.monitor.put_alarm(definition(1, 1)).unwrap();
    world.tick();
    assert_eq!(alarm(&world).state, AlarmState::InsufficientData);
    let mut changes = world.monitor.changes();
    changes.mark_unchanged();
    assert_eq!(period(&world, Some(3.0)), AlarmState::Ok);
    assert!(changes.has_changed().unwrap());
    assert_eq!(period(&world, Some(4.0)), AlarmState::Alarm);
    changes.mark_unchanged();
    assert_eq!(period(&world, Some(4.0)), AlarmState::Alarm);
    assert!(!changes.has_changed().unwrap());
    assert_eq!(subjects(&world), ["OK: high", "ALARM: high"]);

    let mail = world.monitor.mails(1).unwrap().remove(0);
    assert_eq!(mail.recipient.as_deref(), Some("reader@example.com"));
    assert_eq!(mail.status, MailStatus::Local);
    for words in [
        "changed from OK to ALARM at 2026-01-02 03:04:20 UTC",
        "n / m",
        "Maximum > 3 over 10 s",
        "ALARM: latest maximum 4.00 (alarm above 3.00)",
    ] {
        assert!(mail.body.contains(words), "{words} in {}", mail.body);
    }
    let history = world.monitor.alarm_history(Some("high"), 10).unwrap();
    let states: Vec<_> = history.iter().map(|change| (change.from, change.to, change.at)).collect();
    assert_eq!(
        states,
        [
            (AlarmState::Ok, AlarmState::Alarm, seconds(20)),
            (AlarmState::InsufficientData, AlarmState::Ok, seconds(10)),
        ]
    );
    assert_eq!(world.monitor.alarm_history(None, 1).unwrap().len(), 1);
    assert_eq!(world.monitor.alarm_history(Some("other"), 10).unwrap(), []);
}

#[test]
fn two_of_three_and_then_silence() {
    let world = World::new();
    world.monitor.create_topic("alerts").unwrap();
    world.monitor.put_alarm(definition(2, 3)).unwrap();
    let states: Vec<AlarmState> =
        [Some(1.0), Some(9.0), Some(1.0), Some(9.0), Some(1.0), Some(1.0), None, None, None, None, None]
            .into_iter()
            .map(|value| period(&world, value))
            .collect();
    use AlarmState::{Alarm as A, InsufficientData as I, Ok as O};
    // The range is five periods, so the last two values count until both are out of it.
    assert_eq!(states, [O, O, O, A, O, O, O, O, O, O, I]);
    let recipients: Vec<_> =
        world.monitor.mails(10).unwrap().into_iter().map(|mail| mail.recipient).collect();
    assert_eq!(recipients, [None, None, None], "no one is subscribed, and the mails are kept");
}

#[test]
fn a_period_counts_when_it_has_ended_and_late_points_count_too() {
    let world = World::new();
    world.monitor.put_alarm(definition(1, 1)).unwrap();
    world.put(9.0);
    world.advance(9);
    world.tick();
    assert_eq!(alarm(&world).state, AlarmState::InsufficientData, "the period has not ended");
    world.advance(1);
    world.tick();
    assert_eq!(alarm(&world).state, AlarmState::Alarm);

    world.advance(10);
    world.tick();
    assert_eq!(alarm(&world).state, AlarmState::Alarm, "no new point");
    let late = millstream_monitor::Point {
        at: Some(seconds(15)),
        ..millstream_monitor::Point::value(metric(), 1.0)
    };
    world.advance(1);
    world.monitor.put(&[late]).unwrap();
    world.tick();
    assert_eq!(alarm(&world).state, AlarmState::Ok);
}

#[test]
fn periods_that_ended_while_no_one_looked_are_judged_one_by_one() {
    let world = World::new();
    world.monitor.put_alarm(definition(1, 1)).unwrap();
    period(&world, Some(1.0));
    world.put(9.0);
    world.advance(10);
    world.put(1.0);
    world.advance(10);
    world.tick();
    let states: Vec<_> =
        world.monitor.alarm_history(None, 10).unwrap().into_iter().map(|change| change.to).rev().collect();
    assert_eq!(states, [AlarmState::Ok, AlarmState::Alarm, AlarmState::Ok]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However often someone looks, the changes are the same.
    #[test]
    fn the_rhythm_of_looking_changes_nothing(
        values in prop::collection::vec(prop::option::of(0u8..7), 1..40),
        (m, n) in (1u32..4).prop_flat_map(|n| (1..=n, Just(n))),
        pauses in prop::collection::vec(1u64..35, 1..60),
        treatment in 0usize..4,
    ) {
        let treatments = [MissingData::Missing, MissingData::Ignore, MissingData::Breaching, MissingData::NotBreaching];
        let changes = |pauses: &[u64]| {
            let world = World::new();
            let missing_data = treatments[treatment];
            world.monitor.put_alarm(AlarmDefinition { missing_data, ..definition(m, n) }).unwrap();
            world.tick();
            let mut looks = pauses.iter().copied().cycle();
            let mut next_look = looks.next().unwrap();
            for second in 0..values.len() as u64 * 10 {
                if second % 10 == 5 && let Some(value) = values[(second / 10) as usize] {
                    world.put(f64::from(value));
                }
                world.advance(1);
                if second + 1 == next_look {
                    world.tick();
                    next_look += looks.next().unwrap();
                }
            }
            world.tick();
            let history = world.monitor.alarm_history(None, 1_000).unwrap();
            history.into_iter().map(|change| (change.from, change.to)).collect::<Vec<_>>()
        };
        prop_assert_eq!(changes(&pauses), changes(&[1]));
    }
}

#[test]
fn after_the_clock_was_set_back_alarms_go_on() {
    let world = World::new();
    world.monitor.put_alarm(definition(1, 1)).unwrap();
    assert_eq!(period(&world, Some(9.0)), AlarmState::Alarm);
    world.clock.set(seconds(-3_600));
    assert_eq!(period(&world, Some(1.0)), AlarmState::Ok);
    world.monitor.delete_alarm("high").unwrap();

    // One that looks back long is not judged at every tick, and goes on at once, too.
    world.monitor.put_alarm(AlarmDefinition { period: 60, ..definition(1, 100) }).unwrap();
    world.tick();
    assert_eq!(alarm(&world).state, AlarmState::InsufficientData);
    world.clock.set(seconds(-7_200));
    world.put(1.0);
    world.clock.set(seconds(-7_140));
    world.tick();
    assert_eq!(alarm(&world).state, AlarmState::Ok);
}

#[test]
fn the_same_definition_keeps_the_state_and_another_begins_from_scratch() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("monitor.sqlite"));
    let world = World::with(&location, MonitorSettings::default());
    world.monitor.put_alarm(definition(1, 1)).unwrap();
    assert_eq!(period(&world, Some(9.0)), AlarmState::Alarm);
    let before = alarm(&world);
    drop(world);

    let world = World::with(&location, MonitorSettings::default());
    assert_eq!(alarm(&world), before);
    world.monitor.put_alarm(definition(1, 1)).unwrap();
    assert_eq!(alarm(&world), before);
    world.monitor.put_alarm(AlarmDefinition { threshold: 10.0, ..definition(1, 1) }).unwrap();
    assert_eq!(alarm(&world).state, AlarmState::InsufficientData);
    world.monitor.delete_alarm("high").unwrap();
    assert_eq!(world.monitor.alarms().unwrap(), []);
    assert!(matches!(world.monitor.delete_alarm("high"), Err(AlarmError::NotFound(_))));
}

#[test]
fn a_topic_that_is_gone_does_not_stop_an_alarm_and_is_noted() {
    let world = World::new();
    world.monitor.put_alarm(definition(1, 1)).unwrap();
    assert_eq!(period(&world, Some(9.0)), AlarmState::Alarm);
    assert_eq!(world.monitor.mails(10).unwrap(), []);
    let history = world.monitor.alarm_history(None, 1).unwrap();
    assert_eq!(history[0].action_problems.len(), 1);
    assert!(history[0].action_problems[0].contains("does not exist"), "{history:?}");
}

#[test]
fn definitions_that_cannot_work_are_refused_with_the_reason() {
    let world = World::new();
    let check = |change: fn(&mut AlarmDefinition), words: &str| {
        let mut definition = definition(1, 1);
        change(&mut definition);
        let error = world.monitor.put_alarm(definition).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    check(|definition| definition.name.clear(), "name");
    check(|definition| definition.name = "a\nb".to_owned(), "control characters");
    check(|definition| definition.name = "a\u{2028}b".to_owned(), "one line");
    check(|definition| definition.period = 45, "period 45");
    check(|definition| definition.evaluation_periods = 0, "evaluation_periods");
    check(|definition| definition.evaluation_periods = 721, "limit for this period");
    check(
        |definition| (definition.period, definition.evaluation_periods) = (60, u32::MAX),
        "limit for this period",
    );
    check(|definition| definition.datapoints_to_alarm = 2, "datapoints_to_alarm");
    check(|definition| definition.datapoints_to_alarm = 0, "datapoints_to_alarm");
    check(|definition| definition.threshold = f64::NAN, "finite");
    check(|definition| definition.actions.ok = vec!["a".to_owned(); 6], "at most 5 topics");
    check(|definition| definition.actions.alarm = vec!["a b".to_owned()], "topic name");
    assert_eq!(world.monitor.alarms().unwrap(), []);
}
