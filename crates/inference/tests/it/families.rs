//! Random networks of every family, activation and number format against a plain computation.

use crate::tiny::{Family, Numbers, TinyModel};
use millstream_inference::{KernelChoice, Model, Workspace};

/// Sequences of every length the model takes, in no order.
fn sequences(longest: usize) -> Vec<Vec<u32>> {
    (0..longest)
        .map(|number| {
            let length = number * 7 % longest + 1;
            (0..length)
                .map(|position| ((number * 5 + position * 11) % crate::tiny::VOCABULARY) as u32)
                .collect()
        })
        .collect()
}

#[test]
fn every_family_agrees_with_a_plain_computation() {
    for family in [Family::Bert, Family::DistilBert, Family::Roberta] {
        for (activation, numbers) in
            [("gelu", Numbers::F32), ("gelu_new", Numbers::F16), ("relu", Numbers::Bf16)]
        {
            let tiny = TinyModel::new(family, activation, numbers);
            let folder = tempfile::tempdir().unwrap();
            tiny.write(folder.path());
            for choice in [KernelChoice::Best, KernelChoice::Portable] {
                let model = Model::load_with(folder.path(), choice).unwrap();
                let longest = if family == Family::Roberta { 32 } else { 34 };
                assert_eq!(model.longest_sequence(), longest);
                let sequences = sequences(longest);
                let logits = model.logits(&sequences, &mut Workspace::default()).unwrap();
                for (ids, logits) in sequences.iter().zip(logits) {
                    for (found, expected) in logits.iter().zip(tiny.logits(ids)) {
                        let difference = (f64::from(*found) - expected).abs();
                        assert!(
                            difference < 1e-4,
                            "{family:?} {activation} {choice:?}: {found} not {expected}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn labels_probabilities_and_truncation_are_answered() {
    let tiny = TinyModel::new(Family::Roberta, "gelu", Numbers::F32);
    let folder = tempfile::tempdir().unwrap();
    tiny.write(folder.path());
    let model = Model::load(folder.path()).unwrap();
    let long = "w1 w2 w3 w4 w5 ".repeat(20);
    let answers = model.classify(&["w1 w2", "", &long], &mut Workspace::default()).unwrap();
    assert_eq!(answers.iter().map(|answer| answer.token_count).collect::<Vec<_>>(), [4, 2, 32]);
    assert_eq!(answers.iter().map(|answer| answer.truncated).collect::<Vec<_>>(), [false, false, true]);
    for answer in answers {
        assert_eq!(answer.label, format!("label {}", answer.label_index));
        assert!((answer.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(answer.probabilities.iter().all(|probability| *probability <= answer.score));
    }
}

#[test]
fn weights_that_give_no_number_are_an_error_and_not_a_label() {
    let mut tiny = TinyModel::new(Family::Bert, "gelu", Numbers::F32);
    tiny.tensors.get_mut("classifier.weight").unwrap().data[3] = f32::NAN;
    let folder = tempfile::tempdir().unwrap();
    tiny.write(folder.path());
    let model = Model::load(folder.path()).unwrap();
    let message = model.classify(&["w1"], &mut Workspace::default()).unwrap_err().to_string();
    assert!(message.contains("no finite numbers"), "{message}");
}

#[test]
fn tokens_the_model_does_not_have_are_refused() {
    let tiny = TinyModel::new(Family::Bert, "gelu", Numbers::F32);
    let folder = tempfile::tempdir().unwrap();
    tiny.write(folder.path());
    let model = Model::load(folder.path()).unwrap();
    for (ids, expected) in [(vec![], "0 tokens"), (vec![1; 35], "35 tokens"), (vec![1, 24], "token 24")] {
        let message = model.logits(&[vec![2], ids], &mut Workspace::default()).unwrap_err().to_string();
        assert!(message.contains("sequence 1") && message.contains(expected), "{message}");
    }
}
