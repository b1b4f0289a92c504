//! The model server: many callers, one queue, a few worker threads.
//!
//! A worker takes texts off the front of the queue until it has a batch: its share of what waits, at least
//! [`SMALLEST_SHARE`] tokens and at most the token budget. So a burst spreads over the workers, and under load
//! batches grow by themselves. With little waiting a worker lingers up to `max_delay` for company. Tokens are
//! estimated from bytes until the worker has tokenized.
//!
//! The queue is bounded in texts and bytes; a request that does not fit is refused at once and whole. The model
//! loads on the first worker, and requests wait in the queue until it has. Dropping the future of a request
//! takes its waiting texts out of the work. Answers are kept for a while: a text that is asked again is answered at once.

use millstream_wording::{agreeing, counted};
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{oneshot, watch};

use crate::answer_cache::AnswerCache;
use crate::error::LoadError;
use crate::model::{Classification, Model, Workspace};

/// A worker does not split the waiting texts finer than this many tokens.
pub const SMALLEST_SHARE: usize = 512;
/// Bytes of text that are counted as one token before tokenization.
const BYTES_PER_TOKEN: usize = 4;

/// Where a model comes from.
#[derive(Clone, Debug)]
pub enum ModelSource {
    /// The star-rating model in the binary.
    #[cfg(feature = "default-model")]
    EmbeddedStarRating,
    /// A Hugging Face folder.
    Folder(PathBuf),
    /// A model that is loaded already.
    Loaded(Arc<Model>),
}

/// The limits of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Texts that may wait; also the most texts of one request.
    pub max_queue_texts: usize,
    /// Bytes of text that may wait.
    pub max_queue_bytes: usize,
    /// The most tokens of one batch, estimated; one text may exceed it alone. At least [`SMALLEST_SHARE`].
    pub token_budget: usize,
    /// How long a worker lingers for company when less than [`SMALLEST_SHARE`] tokens wait.
    pub max_delay: Duration,
    /// Worker threads; `None` for one a processor.
    pub threads: Option<NonZeroUsize>,
    /// The longest text in bytes.
    pub max_text_bytes: usize,
    /// Room for answers to texts that may be asked again, in bytes; 0 keeps none.
    pub cache_bytes: usize,
}

impl Default for ServerSettings {
    fn default() -> ServerSettings {
        ServerSettings {
            max_queue_texts: 8_192,
            max_queue_bytes: 64 << 20,
            token_budget: 4_096,
            max_delay: Duration::from_millis(1),
            threads: None,
            max_text_bytes: 2 << 20,
            cache_bytes: 16 << 20,
        }
    }
}

/// Why settings were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("model server: {setting} is {value}; it must be at least {least}")]
pub struct ServerSettingsError {
    /// Which setting.
    pub setting: &'static str,
    /// What was given.
    pub value: usize,
    /// The least that is accepted.
    pub least: usize,
}

/// Why texts were not classified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassifyError {
    /// The queue is full: try again later.
    #[error(
        "the model is busy: {} ({queued_bytes} bytes) and the limit is {} or {max_bytes} bytes; try again later or raise the \
         limits of the endpoint's queue",
        agreeing(*queued_texts, "text waits", "texts wait"), counted(*max_texts, "text")
    )]
    Busy {
        /// Texts waiting.
        queued_texts: usize,
        /// Bytes waiting.
        queued_bytes: usize,
        /// The limit in texts.
        max_texts: usize,
        /// The limit in bytes.
        max_bytes: usize,
    },
    /// The request alone is larger than the queue: it can never be taken.
    #[error(
        "the request has {} of {bytes} bytes and the queue takes {} of {max_bytes} bytes; split the request",
        counted(*texts, "text"), counted(*max_texts, "text")
    )]
    RequestTooLarge {
        /// Texts of the request.
        texts: usize,
        /// Their bytes.
        bytes: usize,
        /// The limit in texts.
        max_texts: usize,
        /// The limit in bytes.
        max_bytes: usize,
    },
    /// One text is too long.
    #[error("text {index} has {bytes} bytes and the limit (max_text_bytes) is {limit}; shorten it")]
    TextTooLong {
        /// Which text of the request.
        index: usize,
        /// Its bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The model could not be loaded.
    #[error("the model is not loaded: {reason}")]
    NotLoaded {
        /// What the loader said.
        reason: String,
    },
    /// A text could not be processed.
    #[error("the model refused the text: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// A defect of the server: the work on this text was abandoned.
    #[error("the model server failed on this text; its log says why")]
    Failed,
    /// The server is shutting down.
    #[error("the model server is shutting down")]
    ShuttingDown,
}

/// Counts since the start, and what waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStatistics {
    /// Texts answered.
    pub texts: u64,
    /// Tokens computed.
    pub tokens: u64,
    /// Texts answered of which only the beginning counted.
    pub truncated: u64,
    /// Batches computed.
    pub batches: u64,
    /// Texts answered from the cache.
    pub cached: u64,
    /// Texts refused because the queue was full.
    pub refused: u64,
    /// Texts waiting now.
    pub queued_texts: usize,
    /// Bytes waiting now.
    pub queued_bytes: usize,
}

/// A model behind a queue. Dropping it ends the workers after what is queued.
pub struct ModelServer {
    shared: Arc<Shared>,
    phase: watch::Receiver<Phase>,
    workers: watch::Receiver<usize>,
}

/// What callers and workers share.
struct Shared {
    settings: ServerSettings,
    threads: usize,
    queue: Mutex<Queue>,
    /// Guards the cache; held for a lookup or an insertion, never together with the queue.
    cache: Mutex<AnswerCache>,
    /// Signalled when texts come and when the server closes.
    changed: Condvar,
    phase: watch::Sender<Phase>,
    /// Workers that have not ended.
    workers: watch::Sender<usize>,
}

/// The life of a server's model.
#[derive(Clone)]
enum Phase {
    Loading,
    Ready(Arc<Model>),
    Failed(String),
}

#[derive(Default)]
struct Queue {
    texts: VecDeque<QueuedText>,
    bytes: usize,
    estimated_tokens: usize,
    closed: bool,
    statistics: ServerStatistics,
}

struct QueuedText {
    text: String,
    answer: oneshot::Sender<Result<Classification, ClassifyError>>,
}

impl QueuedText {
    /// Before tokenization nothing better is known. Bounded, so that a huge text does not look like a batch.
    fn estimated_tokens(&self) -> usize {
        (self.text.len() / BYTES_PER_TOKEN + 2).min(SMALLEST_SHARE)
    }
}

impl ModelServer {
    /// Starts the workers; the first loads the model meanwhile, see [`Self::wait_until_loaded`].
    ///
    /// # Errors
    /// A setting is too small.
    pub fn start(
        source: ModelSource,
        settings: ServerSettings,
    ) -> Result<Arc<ModelServer>, ServerSettingsError> {
        let at_least = |setting, value, least| {
            if value < least { Err(ServerSettingsError { setting, value, least }) } else { Ok(()) }
        };
        at_least("max_queue_texts", settings.max_queue_texts, 1)?;
        at_least("max_queue_bytes", settings.max_queue_bytes, 1)?;
        at_least("token_budget", settings.token_budget, SMALLEST_SHARE)?;
        at_least("max_text_bytes", settings.max_text_bytes, 1)?;
        let available = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = settings.threads.map_or_else(available, NonZeroUsize::get);
        let (phase, phase_receiver) = watch::channel(Phase::Loading);
        let (workers, workers_receiver) = watch::channel(threads);
        let shared = Arc::new(Shared {
            cache: Mutex::new(AnswerCache::new(settings.cache_bytes)),
            settings,
            threads,
            queue: Mutex::default(),
            changed: Condvar::new(),
            phase,
            workers,
        });
        let loader = Arc::clone(&shared);
        if let Err(error) = spawn(0, move || loader.load_and_work(source)) {
            let reason = format!("the system gives no thread: {error}");
            shared.phase.send_replace(Phase::Failed(reason));
            shared.workers.send_replace(0);
        }
        Ok(Arc::new(ModelServer { shared, phase: phase_receiver, workers: workers_receiver }))
    }

    /// Classifies texts; the answers are in their order. An empty text is classified like any other.
    ///
    /// # Errors
    /// Refused at once: the queue is full, the request or a text is too large, the server is shutting down.
    /// Later: the model could not be loaded or refused a text.
    pub async fn classify(&self, texts: Vec<String>) -> Result<Vec<Classification>, ClassifyError> {
        let answers = self.shared.enqueue(texts)?;
        let mut classifications = Vec::with_capacity(answers.len());
        for answer in answers {
            classifications.push(match answer {
                Answer::Known(classification) => classification,
                Answer::Waiting(receiver) => receiver.await.unwrap_or(Err(ClassifyError::Failed))?,
            });
        }
        Ok(classifications)
    }

    /// Waits for the model.
    ///
    /// # Errors
    /// It could not be loaded.
    pub async fn wait_until_loaded(&self) -> Result<Arc<Model>, ClassifyError> {
        let mut receiver = self.phase.clone();
        let phase = receiver.wait_for(|phase| !matches!(phase, Phase::Loading)).await;
        match phase.as_deref() {
            Ok(Phase::Ready(model)) => Ok(Arc::clone(model)),
            Ok(Phase::Failed(reason)) => Err(ClassifyError::NotLoaded { reason: reason.clone() }),
            Ok(Phase::Loading) | Err(_) => Err(ClassifyError::ShuttingDown),
        }
    }

    /// The labels that it gives, in the order of their numbers; `None` while the model is being loaded, and when it could not
    /// be.
    pub fn labels(&self) -> Option<Vec<String>> {
        match &*self.phase.borrow() {
            Phase::Ready(model) => Some(model.labels().to_vec()),
            Phase::Loading | Phase::Failed(_) => None,
        }
    }

    /// Counts since the start, and what waits.
    pub fn statistics(&self) -> ServerStatistics {
        let queue = self.shared.queue.lock();
        let (queued_texts, queued_bytes) = (queue.texts.len(), queue.bytes);
        ServerStatistics { queued_texts, queued_bytes, ..queue.statistics.clone() }
    }

    /// Takes no more texts, answers those that wait, and ends the workers.
    pub async fn shutdown(&self) {
        self.shared.close();
        // An error means that all workers are gone, too.
        let _ = self.workers.clone().wait_for(|workers| *workers == 0).await;
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl std::fmt::Debug for ModelServer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ModelServer").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}

fn spawn(number: usize, body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    millstream_host::spawn_thread(format!("model-{number}"), body).map(drop)
}

/// The answer to a text, now or later.
enum Answer {
    Known(Classification),
    Waiting(oneshot::Receiver<Result<Classification, ClassifyError>>),
}

impl Shared {
    /// All texts of a request or none.
    fn enqueue(&self, texts: Vec<String>) -> Result<Vec<Answer>, ClassifyError> {
        let ServerSettings { max_queue_texts: max_texts, max_queue_bytes: max_bytes, .. } = self.settings;
        let limit = self.settings.max_text_bytes;
        if let Some(index) = texts.iter().position(|text| text.len() > limit) {
            return Err(ClassifyError::TextTooLong { index, bytes: texts[index].len(), limit });
        }
        let bytes: usize = texts.iter().map(String::len).sum();
        let count = texts.len();
        if texts.len() > max_texts || bytes > max_bytes {
            return Err(ClassifyError::RequestTooLarge { texts: texts.len(), bytes, max_texts, max_bytes });
        }
        if let Phase::Failed(reason) = &*self.phase.borrow() {
            return Err(ClassifyError::NotLoaded { reason: reason.clone() });
        }
        let texts: Vec<Result<Classification, String>> = {
            let mut cache = self.cache.lock();
            texts.into_iter().map(|text| cache.get(&text).ok_or(text)).collect()
        };
        let unknown = || texts.iter().filter_map(|text| text.as_ref().err());
        let (new_texts, new_bytes) = (unknown().count(), unknown().map(String::len).sum::<usize>());
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(ClassifyError::ShuttingDown);
        }
        if queue.texts.len() + new_texts > max_texts || queue.bytes + new_bytes > max_bytes {
            queue.statistics.refused += count as u64;
            let (queued_texts, queued_bytes) = (queue.texts.len(), queue.bytes);
            return Err(ClassifyError::Busy { queued_texts, queued_bytes, max_texts, max_bytes });
        }
        let mut answers = Vec::with_capacity(count);
        for text in texts {
            let text = match text {
                Ok(known) => {
                    queue.statistics.texts += 1;
                    queue.statistics.cached += 1;
                    queue.statistics.truncated += u64::from(known.truncated);
                    answers.push(Answer::Known(known));
                    continue;
                }
                Err(text) => text,
            };
            let (answer, receiver) = oneshot::channel();
            answers.push(Answer::Waiting(receiver));
            let queued = QueuedText { text, answer };
            queue.bytes += queued.text.len();
            queue.estimated_tokens += queued.estimated_tokens();
            queue.texts.push_back(queued);
        }
        drop(queue);
        self.changed.notify_all();
        Ok(answers)
    }

    fn close(&self) {
        self.queue.lock().closed = true;
        self.changed.notify_all();
    }

    /// The first worker: loads the model, then starts the others.
    fn load_and_work(self: &Arc<Self>, source: ModelSource) {
        self.load(source);
        for number in 1..self.threads {
            let worker = Arc::clone(self);
            if let Err(error) = spawn(number, move || worker.work()) {
                tracing::error!(%error, number, "no thread for a worker; fewer will do");
                self.workers.send_modify(|workers| *workers -= 1);
            }
        }
        self.work();
    }

    /// Loads the model and announces the outcome.
    fn load(&self, source: ModelSource) {
        let load = || -> Result<Arc<Model>, LoadError> {
            match source {
                #[cfg(feature = "default-model")]
                ModelSource::EmbeddedStarRating => Model::embedded_star_rating().map(Arc::new),
                ModelSource::Folder(folder) => Model::load(&folder).map(Arc::new),
                ModelSource::Loaded(model) => Ok(model),
            }
        };
        let phase = match std::panic::catch_unwind(AssertUnwindSafe(load)) {
            Ok(Ok(model)) => Phase::Ready(model),
            Ok(Err(error)) => Phase::Failed(error.to_string()),
            Err(_) => Phase::Failed("a file of the model made a library fail".to_owned()),
        };
        if let Phase::Failed(reason) = &phase {
            tracing::error!(reason, "model not loaded");
        }
        self.phase.send_replace(phase);
    }

    /// One worker: batches until the server is closed and the queue empty.
    fn work(&self) {
        let phase = self.phase.borrow().clone();
        let mut workspace = Workspace::default();
        while let Some(batch) = self.take_batch() {
            match &phase {
                Phase::Ready(model) => {
                    let run = AssertUnwindSafe(|| self.answer(model, batch, &mut workspace));
                    if std::panic::catch_unwind(run).is_err() {
                        // The answers' senders are gone, so the callers hear `Failed`.
                        tracing::error!("a batch was abandoned after a panic");
                        workspace = Workspace::default();
                    }
                }
                Phase::Loading => {}
                Phase::Failed(reason) => {
                    for text in batch {
                        let _ = text.answer.send(Err(ClassifyError::NotLoaded { reason: reason.clone() }));
                    }
                }
            }
        }
        self.workers.send_modify(|workers| *workers -= 1);
    }

    /// Waits for texts and takes a batch; `None` when the server is closed and nothing waits.
    fn take_batch(&self) -> Option<Vec<QueuedText>> {
        let mut queue = self.queue.lock();
        loop {
            self.changed.wait_while(&mut queue, |queue| queue.texts.is_empty() && !queue.closed);
            let lonely = |queue: &mut Queue| {
                !queue.closed && !queue.texts.is_empty() && queue.estimated_tokens < SMALLEST_SHARE
            };
            if !self.settings.max_delay.is_zero() {
                self.changed.wait_while_for(&mut queue, lonely, self.settings.max_delay);
            }
            if queue.texts.is_empty() {
                if queue.closed {
                    return None;
                }
                // Another worker was faster.
                continue;
            }
            let share = queue.estimated_tokens.div_ceil(self.threads);
            let share = share.clamp(SMALLEST_SHARE, self.settings.token_budget);
            let mut batch = Vec::new();
            let mut tokens = 0;
            while let Some(next) = queue.texts.front().map(QueuedText::estimated_tokens)
                && (batch.is_empty() || tokens + next <= share)
            {
                tokens += next;
                queue.estimated_tokens -= next;
                let text = queue.texts.pop_front().expect("the front was just seen");
                queue.bytes -= text.text.len();
                batch.push(text);
            }
            return Some(batch);
        }
    }

    fn answer(&self, model: &Model, mut batch: Vec<QueuedText>, workspace: &mut Workspace) {
        batch.retain(|text| !text.answer.is_closed());
        if batch.is_empty() {
            return;
        }
        let texts: Vec<&str> = batch.iter().map(|text| text.text.as_str()).collect();
        let answers: Vec<Result<Classification, ClassifyError>> = match model.classify(&texts, workspace) {
            Ok(classifications) => classifications.into_iter().map(Ok).collect(),
            // One text is refused; its neighbours are not to suffer.
            Err(_) => texts
                .iter()
                .map(|text| match model.classify(&[text], workspace) {
                    Ok(mut classifications) => classifications.pop().ok_or(ClassifyError::Failed),
                    Err(error) => Err(ClassifyError::Refused { reason: error.to_string() }),
                })
                .collect(),
        };
        let mut queue = self.queue.lock();
        queue.statistics.batches += 1;
        for classification in answers.iter().flatten() {
            queue.statistics.texts += 1;
            queue.statistics.tokens += classification.token_count as u64;
            queue.statistics.truncated += u64::from(classification.truncated);
        }
        drop(queue);
        {
            let mut cache = self.cache.lock();
            for (text, answer) in batch.iter_mut().zip(&answers) {
                if let Ok(classification) = answer {
                    cache.put(std::mem::take(&mut text.text), classification.clone());
                }
            }
        }
        for (text, answer) in batch.into_iter().zip(answers) {
            // A caller who is gone does not mind.
            let _ = text.answer.send(answer);
        }
    }
}
