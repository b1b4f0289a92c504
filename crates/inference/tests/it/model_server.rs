//! The server: many callers, bounded queue, loading in the background, shutdown.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::tiny::{Family, Numbers, TinyModel};
use millstream_inference::{ClassifyError, Model, ModelServer, ModelSource, ServerSettings, Workspace};

fn tiny_model() -> Arc<Model> {
    let folder = tempfile::tempdir().unwrap();
    TinyModel::new(Family::DistilBert, "gelu", Numbers::F32).write(folder.path());
    Arc::new(Model::load(folder.path()).unwrap())
}

fn start(settings: ServerSettings) -> (Arc<Model>, Arc<ModelServer>) {
    let model = tiny_model();
    let server = ModelServer::start(ModelSource::Loaded(Arc::clone(&model)), settings).unwrap();
    (model, server)
}

fn text(number: usize) -> String {
    (0..number % 30).map(|word| format!("w{} ", (word * 7 + number) % 20)).collect()
}

/// One worker that waits a long time for company: texts stay in the queue.
fn lingering() -> ServerSettings {
    ServerSettings {
        threads: NonZeroUsize::new(1),
        max_delay: Duration::from_secs(3_600),
        ..ServerSettings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_get_their_own_answers_in_order() {
    for max_delay in [Duration::ZERO, Duration::from_millis(2)] {
        let (model, server) = start(ServerSettings { max_delay, ..ServerSettings::default() });
        let callers: Vec<_> = (0..50)
            .map(|caller| {
                let server = Arc::clone(&server);
                tokio::spawn(async move {
                    let texts: Vec<String> = (0..caller % 20).map(|number| text(caller + number)).collect();
                    (texts.clone(), server.classify(texts).await.unwrap())
                })
            })
            .collect();
        let mut texts_answered = 0;
        for caller in callers {
            let (texts, answers) = caller.await.unwrap();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let expected = model.classify(&texts, &mut Workspace::default()).unwrap();
            texts_answered += texts.len() as u64;
            assert_eq!(answers.len(), expected.len());
            for (answer, expected) in answers.iter().zip(expected) {
                assert_eq!((&answer.label, answer.token_count), (&expected.label, expected.token_count));
                let pairs = answer.logits.iter().zip(&expected.logits);
                assert!(pairs.into_iter().all(|(left, right)| (left - right).abs() < 1e-5));
            }
        }
        let statistics = server.statistics();
        assert_eq!(statistics.texts, texts_answered);
        assert_eq!((statistics.queued_texts, statistics.queued_bytes, statistics.refused), (0, 0, 0));
        assert!(statistics.batches <= statistics.texts && statistics.tokens > statistics.texts);
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_shutdown_answers_what_waits() {
    let (_, server) = start(ServerSettings { max_queue_texts: 5, max_queue_bytes: 100, ..lingering() });
    let waiting = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.classify(vec!["w1".to_owned(); 3]).await }
    });
    while server.statistics().queued_texts < 3 {
        tokio::task::yield_now().await;
    }
    let busy = server.classify(vec![String::new(); 3]).await.unwrap_err();
    let expected = ClassifyError::Busy { queued_texts: 3, queued_bytes: 6, max_texts: 5, max_bytes: 100 };
    assert_eq!(busy, expected);
    assert!(busy.to_string().contains("the limit is 5 texts or 100 bytes"));
    assert!(matches!(server.classify(vec!["w".repeat(95)]).await, Err(ClassifyError::Busy { .. })));
    assert!(matches!(
        server.classify(vec![String::new(); 6]).await,
        Err(ClassifyError::RequestTooLarge { .. })
    ));
    assert!(matches!(
        server.classify(vec!["w".repeat(101)]).await,
        Err(ClassifyError::RequestTooLarge { .. })
    ));
    assert_eq!(server.statistics().refused, 4);

    server.shutdown().await;
    assert_eq!(waiting.await.unwrap().unwrap().len(), 3);
    assert_eq!(server.classify(vec!["w1".to_owned()]).await, Err(ClassifyError::ShuttingDown));
}

#[tokio::test]
async fn a_caller_who_leaves_costs_nothing() {
    let (_, server) = start(lingering());
    let leaving = tokio::time::timeout(Duration::ZERO, server.classify(vec!["w1".to_owned(); 4])).await;
    assert!(leaving.is_err());
    server.shutdown().await;
    let statistics = server.statistics();
    assert_eq!((statistics.texts, statistics.queued_texts), (0, 0));
}

#[tokio::test]
async fn a_text_over_the_limit_is_refused_by_name() {
    let (_, server) = start(ServerSettings { max_text_bytes: 10, ..ServerSettings::default() });
    let error = server.classify(vec!["w1".to_owned(), "w2 ".repeat(4)]).await.unwrap_err();
    assert_eq!(error, ClassifyError::TextTooLong { index: 1, bytes: 12, limit: 10 });
    assert!(error.to_string().contains("max_text_bytes"));
    assert_eq!(server.classify(vec![]).await, Ok(vec![]));
}

#[tokio::test]
async fn a_model_that_does_not_load_says_why_to_everyone() {
    let folder = tempfile::tempdir().unwrap();
    let source = ModelSource::Folder(folder.path().to_owned());
    let server = ModelServer::start(source, ServerSettings::default()).unwrap();
    let early = server.classify(vec!["w1".to_owned()]).await.unwrap_err();
    assert!(early.to_string().contains("config.json"), "{early}");
    assert!(server.wait_until_loaded().await.is_err());
    assert!(matches!(server.classify(vec![String::new()]).await, Err(ClassifyError::NotLoaded { .. })));
    server.shutdown().await;
}

#[tokio::test]
#[cfg(feature = "default-model")]
async fn the_default_model_loads_in_the_background_and_takes_huge_texts() {
    let server = ModelServer::start(ModelSource::EmbeddedStarRating, ServerSettings::default()).unwrap();
    let texts = vec![
        "I love this product!".to_owned(),
        String::new(),
        "word ".repeat((1 << 20) / 5),
        "good ".repeat(10_000),
    ];
    let answers = server.classify(texts).await.unwrap();
    assert_eq!(answers[0].label, "5 stars");
    let truncated: Vec<bool> = answers.iter().map(|answer| answer.truncated).collect();
    assert_eq!(truncated, [false, false, true, true]);
    assert_eq!(server.statistics().truncated, 2);
    assert_eq!(server.wait_until_loaded().await.unwrap().labels().len(), 5);
    server.shutdown().await;
}

#[test]
fn settings_that_cannot_work_are_refused() {
    for (settings, expected) in [
        (ServerSettings { max_queue_texts: 0, ..ServerSettings::default() }, "max_queue_texts is 0"),
        (ServerSettings { token_budget: 100, ..ServerSettings::default() }, "at least 512"),
        (ServerSettings { max_text_bytes: 0, ..ServerSettings::default() }, "max_text_bytes is 0"),
    ] {
        let source = ModelSource::Folder("nowhere".into());
        let message = ModelServer::start(source, settings).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_asked_again_is_answered_at_once() {
    let (_, server) = start(ServerSettings::default());
    let texts = vec![text(5), text(6)];
    let first = server.classify(texts.clone()).await.unwrap();
    let computed = server.statistics();
    assert_eq!((computed.texts, computed.cached), (2, 0));
    let again = server.classify([texts, vec![text(7)]].concat()).await.unwrap();
    assert_eq!(again[..2], first[..]);
    let statistics = server.statistics();
    assert_eq!((statistics.texts, statistics.cached), (5, 2));
}
