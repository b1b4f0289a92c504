//! Topics, subscriptions and alarms in the monitor, as the pipeline declares them.

use std::time::Duration;

use millstream_monitor::{
    AlarmActions, AlarmDefinition, Comparison, MetricKey, MissingData, Monitor, MonitorSettings, Protocol,
    SmtpCredentials, SmtpSecurity, SmtpSettings, Statistic,
};
use toml::Spanned;

use crate::error::StartError;
use crate::pipeline::{self, Declarations, MetricDeclaration, StatisticChoice};

/// The period of an alarm that names none.
const ALARM_PERIOD: Duration = Duration::from_secs(10);

fn failed(error: impl std::fmt::Display) -> StartError {
    StartError::Monitor(error.to_string())
}

/// What the monitor is told.
pub(super) fn settings(declared: &Declarations, smtp_password: Option<&str>) -> MonitorSettings {
    let smtp = declared.smtp.as_ref().map(|smtp| SmtpSettings {
        security: match smtp.security {
            pipeline::SmtpSecurity::None => SmtpSecurity::None,
            pipeline::SmtpSecurity::Starttls => SmtpSecurity::StartTls,
            pipeline::SmtpSecurity::Tls => SmtpSecurity::Tls,
        },
        credentials: smtp.user.as_ref().map(|user| SmtpCredentials {
            user_name: user.clone(),
            password: smtp_password.unwrap_or_default().to_owned(),
        }),
        ..SmtpSettings::new(smtp.host.get_ref(), smtp.port, smtp.from.get_ref())
    });
    MonitorSettings { smtp, ..MonitorSettings::default() }
}

/// The metric as the monitor knows it.
pub(super) fn metric_key(declared: &MetricDeclaration) -> Result<MetricKey, StartError> {
    MetricKey::new(&declared.namespace, declared.name.get_ref(), []).map_err(failed)
}

/// Makes topics, subscriptions and alarms that are not there yet; alarms that changed begin anew, and alarms that the
/// pipeline no longer declares go.
pub(super) fn create(monitor: &Monitor, declared: &Declarations) -> Result<(), StartError> {
    for topic in &declared.topics {
        monitor.create_topic(topic.name.get_ref()).map_err(failed)?;
    }
    for subscription in &declared.subscriptions {
        let (topic, address) = (subscription.topic.get_ref(), subscription.email.get_ref());
        monitor.subscribe(topic, Protocol::Email, address).map_err(failed)?;
    }
    for known in monitor.alarms().map_err(failed)? {
        let name = &known.definition.name;
        if !declared.alarms.iter().any(|alarm| alarm.name.get_ref() == name) {
            monitor.delete_alarm(name).map_err(failed)?;
        }
    }
    for alarm in &declared.alarms {
        let name = alarm.metric.get_ref();
        let metric = declared.metrics.iter().find(|metric| metric.name.get_ref() == name);
        let metric = metric_key(metric.expect("references were checked with the pipeline"))?;
        let period = alarm.period.map_or(ALARM_PERIOD, |period| period.0);
        let topic =
            |topic: &Option<Spanned<String>>| topic.iter().map(|topic| topic.get_ref().clone()).collect();
        let definition = AlarmDefinition {
            name: alarm.name.get_ref().clone(),
            metric,
            statistic: statistic(alarm.statistic),
            period: u32::try_from(period.as_secs()).unwrap_or(u32::MAX),
            evaluation_periods: alarm.evaluation_periods,
            datapoints_to_alarm: alarm.evaluation_periods,
            comparison: comparison(alarm.comparison),
            threshold: alarm.threshold,
            missing_data: MissingData::default(),
            actions: AlarmActions {
                alarm: topic(&alarm.topic),
                ok: topic(&alarm.ok_topic),
                insufficient_data: topic(&alarm.insufficient_data_topic),
            },
        };
        monitor.put_alarm(definition).map_err(failed)?;
    }
    Ok(())
}

fn statistic(choice: StatisticChoice) -> Statistic {
    match choice {
        StatisticChoice::Average => Statistic::Average,
        StatisticChoice::Minimum => Statistic::Minimum,
        StatisticChoice::Maximum => Statistic::Maximum,
        StatisticChoice::Sum => Statistic::Sum,
        StatisticChoice::SampleCount => Statistic::SampleCount,
    }
}

fn comparison(choice: pipeline::Comparison) -> Comparison {
    match choice {
        pipeline::Comparison::LessThan => Comparison::LessThanThreshold,
        pipeline::Comparison::LessThanOrEqual => Comparison::LessThanOrEqualToThreshold,
        pipeline::Comparison::GreaterThan => Comparison::GreaterThanThreshold,
        pipeline::Comparison::GreaterThanOrEqual => Comparison::GreaterThanOrEqualToThreshold,
    }
}
