//! Folders that do not fit: each is refused with the file, what is wrong and what would do.

use crate::tiny::{Family, Numbers, TinyModel};
use millstream_inference::Model;
use serde_json::json;

#[track_caller]
fn check(change: impl FnOnce(&mut TinyModel), expected: &str) {
    let mut tiny = TinyModel::new(Family::Bert, "gelu", Numbers::F32);
    change(&mut tiny);
    let folder = tempfile::tempdir().unwrap();
    tiny.write(folder.path());
    let message = Model::load(folder.path()).unwrap_err().to_string();
    assert!(message.contains(expected), "{message}");
}

#[test]
fn configurations() {
    check(|tiny| tiny.config["model_type"] = json!("t5"), "model_type \"t5\" is not supported");
    check(|tiny| tiny.config["hidden_act"] = json!("silu"), "activation \"silu\" is not supported");
    check(|tiny| tiny.config["num_attention_heads"] = json!(3), "not divisible by num_attention_heads 3");
    check(|tiny| tiny.config["num_hidden_layers"] = json!(0), "\"num_hidden_layers\" is 0");
    check(|tiny| tiny.config["num_hidden_layers"] = json!("two"), "invalid type");
    check(|tiny| drop(tiny.config["vocab_size"].take()), "\"vocab_size\" is missing");
    check(|tiny| tiny.config["id2label"] = json!({"0": "a", "2": "b"}), "none for 1");
    check(|tiny| tiny.config["problem_type"] = json!("regression"), "problem_type \"regression\"");
    check(
        |tiny| tiny.config["position_embedding_type"] = json!("relative_key"),
        "position_embedding_type \"relative_key\" is not supported; supported is absolute",
    );
}

#[test]
fn tensors() {
    check(|tiny| drop(tiny.tensors.remove("classifier.bias")), "tensor \"classifier.bias\" is missing");
    check(|tiny| tiny.config["num_hidden_layers"] = json!(1_000_000_000), "is missing");
    check(|tiny| tiny.config["intermediate_size"] = json!(40), "[36, 20] and config.json asks for [40, 20]");
    check(|tiny| tiny.config["id2label"] = json!({"0": "a"}), "asks for [1, 20]");
    // Sizes that are only claimed allocate nothing.
    for (key, size) in [
        ("intermediate_size", 1_u64 << 60),
        ("max_position_embeddings", 1 << 62),
        ("vocab_size", 1 << 60),
        ("type_vocab_size", 1 << 60),
        ("hidden_size", 1 << 40),
    ] {
        check(|tiny| tiny.config[key] = json!(size), "belong to different models");
    }
    check(
        |tiny| {
            *tiny = TinyModel::new(Family::DistilBert, "gelu", Numbers::F32);
            tiny.config["dim"] = json!(1_u64 << 40);
        },
        "belong to different models",
    );
    check(
        |tiny| {
            *tiny = TinyModel::new(Family::Roberta, "gelu", Numbers::F32);
            tiny.config["pad_token_id"] = json!(u64::MAX);
        },
        "leaves no room after pad_token_id",
    );
}

#[test]
fn tokenizers() {
    check(|tiny| tiny.tokenizer = json!({"version": "1.0"}), "tokenizer.json: ");
    check(
        |tiny| tiny.tokenizer["model"]["vocab"]["w99"] = json!(99),
        "tokens up to number 99 and the model has 24 embeddings",
    );
    check(|tiny| drop(tiny.tokenizer["post_processor"].take()), "an empty text gives no token");
    check(
        |tiny| tiny.tokenizer["post_processor"]["single"][1]["Sequence"]["type_id"] = json!(7),
        "type_vocab_size 2",
    );
    check(
        |tiny| {
            let truncation =
                json!({"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0});
            tiny.tokenizer["truncation"] = truncation;
        },
        "leave no room beside 2 special tokens",
    );
}

#[test]
fn files() {
    let folder = tempfile::tempdir().unwrap();
    let message = Model::load(folder.path()).unwrap_err().to_string();
    assert!(message.contains("config.json") && message.contains("a model folder holds"), "{message}");

    let tiny = TinyModel::new(Family::Bert, "gelu", Numbers::F32);
    tiny.write(folder.path());
    let whole = std::fs::read(folder.path().join("model.safetensors")).unwrap();
    for length in [0, 7, 100, whole.len() - 1] {
        std::fs::write(folder.path().join("model.safetensors"), &whole[..length]).unwrap();
        let message = Model::load(folder.path()).unwrap_err().to_string();
        assert!(message.starts_with("model.safetensors: "), "{message}");
    }
}

#[test]
fn low_a_hostile_tokenizer_takes_no_memory() {
    // Half a million values in a megabyte; and a file that is larger than its vocabulary needs.
    check(|tiny| tiny.tokenizer["added_tokens"] = json!(vec![0; 100_000]), "more than 65728 values");
    check(
        |tiny| tiny.tokenizer["none"] = json!("x".repeat(2 << 20)),
        "which a vocabulary of 24 tokens can need",
    );
    // A short file that makes long texts: a hundred times a hundred times a hundred.
    let replace = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "a".repeat(99)});
    check(
        |tiny| {
            tiny.tokenizer["normalizer"] = json!({"type": "Sequence", "normalizers": [replace, replace, {"type": "Sequence", "normalizers": [replace]}]});
        },
        "up to 1000000 times as long",
    );
    // A template that repeats the text.
    check(
        |tiny| {
            let single = tiny.tokenizer["post_processor"]["single"].as_array_mut().unwrap();
            let text = single[1].clone();
            single.extend(vec![text; 100]);
        },
        "101 times into a sequence",
    );
}

#[test]
fn files_without_an_end_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("config.json")).unwrap();
    let message = Model::load(folder.path()).unwrap_err().to_string();
    assert!(message.contains("more than 4194304 bytes"), "{message}");
}

#[test]
fn labels_are_read_without_the_weights() {
    let mut tiny = TinyModel::new(Family::Bert, "gelu", Numbers::F32);
    tiny.config["id2label"] = json!({"0": 1, "1": 2, "2": "three"});
    let folder = tempfile::tempdir().unwrap();
    tiny.write(folder.path());
    assert_eq!(Model::load(folder.path()).unwrap().labels(), ["1", "2", "three"]);
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    assert_eq!(Model::labels_of_folder(folder.path()).unwrap(), ["1", "2", "three"]);
    std::fs::write(folder.path().join("config.json"), "{}").unwrap();
    assert!(
        Model::labels_of_folder(folder.path()).unwrap_err().to_string().contains("\"model_type\" is missing")
    );
}
