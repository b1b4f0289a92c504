//! New SQL for applications that run: pumps whose plan did not change keep their state, others start afresh. Reference
//! tables are read again.

use std::sync::Arc;

use super::{Server, applications, functions};
use crate::connect::monitor_to_functions::MonitorServices;
use crate::error::StartError;
use crate::pipeline::{ApplicationDeclaration, Declarations, Pipeline};

/// What an update did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateReport {
    /// The applications whose SQL changed.
    pub applications: Vec<UpdatedApplication>,
}

/// An application with new SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdatedApplication {
    /// Its name.
    pub name: String,
    /// Pumps that go on with their state.
    pub resumed: Vec<String>,
    /// Pumps that are new or changed: they start afresh.
    pub started_afresh: Vec<String>,
}

/// Why nothing was updated.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Something else than SQL changed.
    #[error(
        "only the SQL of applications can change while they run, and this changed too: {}; stop and start again for that",
        .0.join(", ")
    )]
    NotOnlySql(Vec<String>),
    /// The new SQL does not fit the functions that take its rows, or cannot be built. The old goes on.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl Server {
    /// Takes over the SQL of a pipeline that declares the same resources. Each application whose SQL changed stops with a
    /// checkpoint and goes on from it with the new SQL; records that come meanwhile wait in the log.
    ///
    /// # Errors
    /// See [`UpdateError`].
    pub async fn update(&self, new: Pipeline) -> Result<UpdateReport, UpdateError> {
        let old = self.pipeline();
        let others = changes_beside_sql(&old.declarations, &new.declarations);
        if !others.is_empty() {
            return Err(UpdateError::NotOnlySql(others));
        }
        // Functions that read a column must find it in the new SQL, too.
        functions::build(&new, &self.endpoints, &MonitorServices(self.monitor.clone()), &self.clock)?;
        let mut report = UpdateReport::default();
        for (index, checked) in new.applications.iter().enumerate() {
            let before = &old.applications[index];
            let is_same = before.sql == checked.sql && before.switches == checked.switches;
            // Reference tables are read anew with every update.
            if is_same && checked.references.is_empty() {
                continue;
            }
            let updated = match self.restart(&new, index).await {
                Ok(updated) => updated,
                Err(error) => {
                    // Back to what ran before: its checkpoint is still there.
                    self.restart(&old, index).await?;
                    return Err(error.into());
                }
            };
            report.applications.push(updated);
        }
        self.catalog
            .put_resources(&new.declarations.resources(), self.clock.now())
            .map_err(StartError::from)?;
        self.replace_pipeline(new);
        Ok(report)
    }

    /// Stops an application, if it runs, and starts it as a pipeline declares it.
    async fn restart(&self, pipeline: &Pipeline, index: usize) -> Result<UpdatedApplication, StartError> {
        let checked = &pipeline.applications[index];
        let running = {
            let mut applications = self.applications.lock();
            let place = applications.iter().position(|one| one.name() == checked.name);
            place.map(|place| applications.remove(place))
        };
        if let Some(mut running) = running {
            let stopping = tokio::task::spawn_blocking(move || running.stop());
            if let Err(error) = stopping.await {
                tracing::error!(application = checked.name, %error, "the application did not stop in order");
            }
        }
        let services = applications::ApplicationServices {
            directory: &self.directory,
            log: &self.log,
            catalog: &self.catalog,
            consumers: &self.consumers,
            functions: &self.functions,
            clock: &self.clock,
            live: &self.live,
            identifiers: &self.identifiers,
            runtime: &self.runtime,
        };
        let declared = &pipeline.declarations.applications[index];
        let prepared = services.prepare_to_go_on(declared, checked)?;
        let running = services.start(prepared).await?;
        let report = running.restored().clone();
        self.applications.lock().push(running);
        Ok(UpdatedApplication {
            name: checked.name.clone(),
            resumed: report.resumed,
            started_afresh: report.started_from_scratch.into_iter().map(|(pump, _)| pump).collect(),
        })
    }

    /// What runs now.
    pub(super) fn pipeline(&self) -> Arc<Pipeline> {
        Arc::clone(&self.pipeline.read())
    }

    fn replace_pipeline(&self, new: Pipeline) {
        *self.pipeline.write() = Arc::new(new);
    }
}

/// The resources that differ in something else than the SQL of an application, or are there only once.
fn changes_beside_sql(old: &Declarations, new: &Declarations) -> Vec<String> {
    let without_sql = |declared: &Declarations| {
        let mut declared = declared.clone();
        for ApplicationDeclaration { sql, sql_file, switches, .. } in &mut declared.applications {
            (*sql, *sql_file) = (None, None);
            switches.clear();
        }
        declared.resources()
    };
    let (old, new) = (without_sql(old), without_sql(new));
    let of = |(kind, name, _): &(&str, String, String)| format!("{kind} \"{name}\"");
    let gone = old.iter().filter(|resource| !new.contains(resource)).map(of);
    let mut changed: Vec<String> = gone.collect();
    for added in new.iter().filter(|resource| !old.contains(resource)).map(of) {
        if !changed.contains(&added) {
            changed.push(added);
        }
    }
    changed
}
