//! What people may look at, gathered.

use tokio::sync::watch;

use super::Server;
use crate::view::{Overview, OverviewSource};

impl OverviewSource for Server {
    fn overview(&self) -> Overview {
        let seen = self.live.seen();
        let flow = self.flow(&seen);
        let pipeline = self.pipeline();
        let thresholds = pipeline.declarations.functions.iter().filter(|function| function.topic.is_some());
        Overview {
            version: self.settings.version.clone(),
            started_at: self.started_at.millis(),
            now: self.clock.now().millis(),
            source: self.settings.source.clone(),
            is_synthetic: self.settings.is_synthetic,
            data_directory: self.settings.data_directory.display().to_string(),
            summary: seen.summary,
            flow,
            rating_distribution: seen.rating_distribution,
            averages: seen.averages.into(),
            scores: seen.scores.into(),
            score_threshold: thresholds.filter_map(|function| function.threshold).reduce(f64::min),
            counts: seen.counts.into(),
            reviews: seen.reviews.into(),
            agreement: seen.agreement,
            mails: seen.mails,
            alarms: seen.alarms,
            problems: seen.problems.into(),
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.live.changes()
    }
}
