//! Mail server, topics, subscriptions, metrics and alarms: rows of the monitor.

use millstream_monitor::{
    AlarmActions, AlarmDefinition as MonitorAlarm, Comparison as MonitorComparison, MetricFilter, MetricKey,
    MissingData, Monitor, Protocol, QueryError, SmtpCredentials, SmtpSecurity as MonitorSecurity,
    SmtpSettings, Statistic as MonitorStatistic, TopicError, check_metric_unit,
};

use super::{NotReady, Prepared};
use crate::catalog::ResourceRow;
use crate::definition::{
    AlarmDefinition, Comparison, Definition, Kind, MailServerDefinition, MetricDefinition, Reference,
    SmtpSecurity, Statistic,
};
use crate::world::World;

/// Makes the monitor hold the resource as it is defined.
pub(super) async fn ensure(world: &World, row: &ResourceRow) -> Result<Prepared, NotReady> {
    let monitor = world.monitor.clone();
    let name = row.name.clone();
    match row.definition.clone() {
        Definition::MailServer(definition) => {
            let settings = smtp_settings(&definition)?;
            world.monitor.set_smtp(Some(&settings)).map_err(NotReady::ever)?;
        }
        Definition::Metric(definition) => {
            metric_key(&name, &definition)?;
        }
        Definition::Topic(_) => on_disk(world, move || monitor.create_topic(&name)).await?,
        Definition::Subscription(definition) => {
            on_disk(world, move || {
                let known = monitor.subscriptions(Some(&definition.topic))?;
                if known.iter().any(|one| one.endpoint == definition.email) {
                    return Ok(());
                }
                monitor.subscribe(&definition.topic, Protocol::Email, &definition.email).map(|_| ())
            })
            .await?;
        }
        Definition::Alarm(definition) => {
            let wanted = Reference::new(Kind::Metric, &definition.metric);
            let Some(Definition::Metric(metric)) = world.registry.find(&wanted).map(|row| row.definition)
            else {
                return Err(NotReady::yet(format!("{wanted} does not exist")));
            };
            let alarm = alarm(name, &definition, metric_key(&definition.metric, &metric)?);
            on_disk(world, move || monitor.put_alarm(alarm)).await?;
        }
        other => unreachable!("a {} is not the monitor's", other.kind()),
    }
    Ok(Prepared::Nothing)
}

/// Deletes it from the monitor.
pub(super) async fn erase(world: &World, row: &ResourceRow) -> Result<(), NotReady> {
    let (monitor, name) = (world.monitor.clone(), row.name.clone());
    match row.definition.clone() {
        Definition::MailServer(_) => world.monitor.set_smtp(None).map_err(NotReady::ever),
        Definition::Metric(_) => {
            on_disk(world, move || {
                // In whatever namespace it was.
                let own = MetricFilter { name: Some(name), ..MetricFilter::default() };
                for metric in monitor.metrics(&own)? {
                    monitor.delete_metric(&metric)?;
                }
                Ok::<(), QueryError>(())
            })
            .await
        }
        Definition::Topic(_) => {
            on_disk(world, move || {
                let is_known = |monitor: &Monitor| {
                    Ok::<bool, millstream_monitor::TopicError>(
                        monitor.topics()?.iter().any(|topic| topic.name == name),
                    )
                };
                if is_known(&monitor)? { monitor.delete_topic(&name) } else { Ok(()) }
            })
            .await
        }
        Definition::Subscription(definition) => {
            on_disk(world, move || {
                // A topic that went first took it along.
                let known = match monitor.subscriptions(Some(&definition.topic)) {
                    Err(TopicError::NotFound(_)) => return Ok(()),
                    known => known?,
                };
                let own = known.into_iter().filter(|one| one.endpoint == definition.email);
                own.map(|one| one.id).try_for_each(|id| monitor.unsubscribe(&id))
            })
            .await
        }
        Definition::Alarm(_) => {
            on_disk(world, move || {
                let is_known = monitor.alarms()?.iter().any(|alarm| alarm.definition.name == name);
                if is_known { monitor.delete_alarm(&name) } else { Ok(()) }
            })
            .await
        }
        other => unreachable!("a {} is not the monitor's", other.kind()),
    }
}

async fn on_disk<E: std::fmt::Display + Send + 'static>(
    world: &World,
    work: impl FnOnce() -> Result<(), E> + Send + 'static,
) -> Result<(), NotReady> {
    world.spawn().blocking(work).await.map_err(NotReady::yet)?.map_err(NotReady::yet)
}

/// Whether mails could be sent by this server, as far as that can be seen without it.
pub(crate) fn check_mail_server(definition: &MailServerDefinition) -> Result<(), String> {
    smtp_settings_with(definition, String::new()).check().map_err(|error| error.to_string())
}

/// Whether the monitor can keep this metric.
pub(crate) fn check_metric(name: &str, definition: &MetricDefinition) -> Result<(), String> {
    check_metric_unit(&definition.unit).map_err(|error| error.to_string())?;
    metric_key(name, definition).map(drop).map_err(|error| error.reason)
}

/// Whether the monitor can watch this alarm.
pub(crate) fn check_alarm(name: &str, definition: &AlarmDefinition) -> Result<(), String> {
    // Its metric is checked on its own.
    let metric = MetricKey::new("n", "m", []).map_err(|error| error.to_string())?;
    if definition.period.subsec_nanos() != 0 {
        return Err(format!("the period of alarm \"{name}\" is whole seconds"));
    }
    let alarm = alarm(name.to_owned(), definition, metric);
    millstream_monitor::check_alarm(&alarm).map_err(|error| error.to_string())
}

/// The password of a mail server; why it is not there, in words.
pub(crate) fn smtp_password(definition: &MailServerDefinition) -> Result<String, String> {
    let Some(variable) = &definition.password_variable else { return Ok(String::new()) };
    std::env::var(variable).map_err(|_| {
        format!(
            "the mail server's password is expected in the environment variable {variable}, which is not set"
        )
    })
}

fn smtp_settings(definition: &MailServerDefinition) -> Result<SmtpSettings, NotReady> {
    let password = smtp_password(definition).map_err(NotReady::yet)?;
    Ok(smtp_settings_with(definition, password))
}

fn smtp_settings_with(definition: &MailServerDefinition, password: String) -> SmtpSettings {
    SmtpSettings {
        security: match definition.security {
            SmtpSecurity::None => MonitorSecurity::None,
            SmtpSecurity::Starttls => MonitorSecurity::StartTls,
            SmtpSecurity::Tls => MonitorSecurity::Tls,
        },
        credentials: definition
            .user
            .as_ref()
            .map(|user| SmtpCredentials { user_name: user.clone(), password }),
        ..SmtpSettings::new(&definition.host, definition.port, &definition.from)
    }
}

/// What the monitor calls a metric.
pub(crate) fn metric_key(name: &str, definition: &MetricDefinition) -> Result<MetricKey, NotReady> {
    MetricKey::new(&definition.namespace, name, []).map_err(NotReady::ever)
}

fn alarm(name: String, definition: &AlarmDefinition, metric: MetricKey) -> MonitorAlarm {
    let actions = |topic: &Option<String>| topic.iter().cloned().collect();
    MonitorAlarm {
        name,
        metric,
        statistic: match definition.statistic {
            Statistic::Average => MonitorStatistic::Average,
            Statistic::Minimum => MonitorStatistic::Minimum,
            Statistic::Maximum => MonitorStatistic::Maximum,
            Statistic::Sum => MonitorStatistic::Sum,
            Statistic::SampleCount => MonitorStatistic::SampleCount,
        },
        period: u32::try_from(definition.period.as_secs()).unwrap_or(u32::MAX),
        evaluation_periods: definition.evaluation_periods,
        datapoints_to_alarm: definition.evaluation_periods,
        comparison: match definition.comparison {
            Comparison::LessThan => MonitorComparison::LessThanThreshold,
            Comparison::LessThanOrEqual => MonitorComparison::LessThanOrEqualToThreshold,
            Comparison::GreaterThan => MonitorComparison::GreaterThanThreshold,
            Comparison::GreaterThanOrEqual => MonitorComparison::GreaterThanOrEqualToThreshold,
        },
        threshold: definition.threshold,
        missing_data: MissingData::default(),
        actions: AlarmActions {
            alarm: actions(&definition.topic),
            ok: actions(&definition.ok_topic),
            insufficient_data: actions(&definition.insufficient_data_topic),
        },
    }
}
