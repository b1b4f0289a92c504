//! `classify`: a record with a text in, the record with the model's label out.
//!
//! | the text is | in the file | the answer, unless `output` names columns |
//! |---|---|---|
//! | the whole line | nothing | `{"text":…,"label":…,"label_index":…,"probability":…}` |
//! | a column | `columns = ["id", "body"]`, `text = "body"` | an object with the columns and the three members |
//! | a value in JSON | `text = "$.review.body"` | the same object with the three members behind its own |
//!
//! With `output = ["id", "label"]` the answer is a line of these columns. It always ends with a line feed.

#[cfg(test)]
mod classify_test;
mod record;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::classifier::Classifier;
use crate::function::{Function, FunctionError};
use crate::json_path::JsonPath;
use crate::labelling::{ClassifyStatistics, Labelling};

/// Where the text of a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextInput {
    /// The record is the text; its only column is called `text`.
    Line,
    /// In a column of a delimited line. No quoting. When it is the last column it takes the rest of the line, delimiters
    /// and all; otherwise the record must have exactly these columns.
    Delimited {
        /// The names of the columns.
        columns: Vec<String>,
        /// What is between them.
        delimiter: char,
        /// Which of them is the text.
        text: String,
    },
    /// In a JSON object: a text; anything else fails the record.
    Json {
        /// The way to it.
        text: JsonPath,
    },
}

/// How answers are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LabelOutput {
    /// One JSON object a line: the fields of the record and the three that are added. Members of the record that are
    /// called like one of these are replaced.
    #[default]
    Json,
    /// A line of these columns: of the record, or `label`, `label_index`, `probability`. Delimiters and line ends inside
    /// fields become blanks; what a JSON record does not have is empty.
    Delimited {
        /// The names of the columns.
        columns: Vec<String>,
        /// What is between them.
        delimiter: char,
    },
}

/// How records are read and answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassifySettings {
    /// Where the text is.
    pub input: TextInput,
    /// How answers are written.
    pub output: LabelOutput,
    /// How long to wait for the model before a call is given back as throttled.
    pub patience: Duration,
    /// Longest text in bytes; a longer one fails its record.
    pub max_text_bytes: usize,
}

impl Default for ClassifySettings {
    /// Whole lines to JSON; 30 s; texts up to 256 KiB.
    fn default() -> ClassifySettings {
        ClassifySettings {
            input: TextInput::Line,
            output: LabelOutput::Json,
            patience: Duration::from_secs(30),
            max_text_bytes: 256 * 1024,
        }
    }
}

/// The fields that are added to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Added {
    Label,
    LabelIndex,
    Probability,
}

impl Added {
    const ALL: [Added; 3] = [Added::Label, Added::LabelIndex, Added::Probability];

    fn name(self) -> &'static str {
        match self {
            Added::Label => "label",
            Added::LabelIndex => "label_index",
            Added::Probability => "probability",
        }
    }

    fn named(name: &str) -> Option<Added> {
        Added::ALL.into_iter().find(|added| added.name() == name)
    }
}

impl TextInput {
    /// The names of the columns; none of JSON.
    fn columns(&self) -> impl Iterator<Item = &str> {
        let (line, columns): (_, &[String]) = match self {
            TextInput::Line => (Some("text"), &[]),
            TextInput::Delimited { columns, .. } => (None, columns),
            TextInput::Json { .. } => (None, &[]),
        };
        line.into_iter().chain(columns.iter().map(String::as_str))
    }
}

/// The keys of a file that the settings come of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassifyKey {
    /// `columns`: those of a record.
    Columns,
    /// `text`: the column of the text, or its path.
    Text,
    /// `delimiter`: what is between columns.
    Delimiter,
    /// `output`: the columns of an answer.
    Output,
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassifyMistake {
    /// Which key has to be written otherwise.
    pub key: ClassifyKey,
    /// Why, in words.
    pub reason: String,
}

impl ClassifySettings {
    /// Whether they fit together.
    ///
    /// # Errors
    /// The first of the mistakes, in words.
    pub fn check(&self) -> Result<(), String> {
        self.mistakes().into_iter().next().map_or(Ok(()), |mistake| Err(mistake.reason))
    }

    /// All that does not fit together.
    pub fn mistakes(&self) -> Vec<ClassifyMistake> {
        let mut mistakes = Vec::new();
        let mut wrong = |key, reason| mistakes.push(ClassifyMistake { key, reason });
        let mut delimiters = Vec::new();
        if let TextInput::Delimited { columns, delimiter, text } = &self.input {
            delimiters.push(delimiter);
            let mut seen = std::collections::HashSet::new();
            for column in columns {
                if !seen.insert(column) {
                    wrong(ClassifyKey::Columns, format!("the columns name \"{column}\" more than once"));
                } else if Added::named(column).is_some() {
                    let reason =
                        format!("\"{column}\" is what the function adds; give the column another name");
                    wrong(ClassifyKey::Columns, reason);
                }
            }
            if !columns.contains(text) {
                let reason = format!(
                    "text names \"{text}\", which is none of the columns {}; for JSON a path begins with $, as in $.body",
                    columns.join(", ")
                );
                wrong(ClassifyKey::Text, reason);
            }
        }
        if let LabelOutput::Delimited { columns, delimiter } = &self.output {
            delimiters.push(delimiter);
            if columns.is_empty() {
                let reason = "output names no column; without it the answer is JSON";
                wrong(ClassifyKey::Output, reason.to_owned());
            }
            let is_known = |column: &&String| {
                matches!(self.input, TextInput::Json { .. })
                    || Added::named(column).is_some()
                    || self.input.columns().any(|known| known == *column)
            };
            for unknown in columns.iter().filter(|column| !is_known(column)) {
                let mut known: Vec<&str> = self.input.columns().collect();
                known.extend(Added::ALL.map(Added::name));
                let reason = format!("output names \"{unknown}\"; there are: {}", known.join(", "));
                wrong(ClassifyKey::Output, reason);
            }
        }
        if delimiters.into_iter().any(|delimiter| matches!(delimiter, '\n' | '\r')) {
            wrong(ClassifyKey::Delimiter, "the delimiter cannot be a line break".to_owned());
        }
        mistakes
    }
}

/// The function.
pub struct Classify {
    settings: ClassifySettings,
    labelling: Labelling,
}

impl Classify {
    /// The name by which it is configured.
    pub const NAME: &'static str = "classify";

    /// The function with its settings and the model it asks.
    ///
    /// # Errors
    /// See [`ClassifySettings::check`].
    pub fn new(settings: ClassifySettings, classifier: Arc<dyn Classifier>) -> Result<Classify, String> {
        settings.check()?;
        let labelling = Labelling::new(Self::NAME, classifier, settings.patience);
        Ok(Classify { settings, labelling })
    }

    /// Counts since the start.
    pub fn statistics(&self) -> ClassifyStatistics {
        self.labelling.statistics()
    }
}

#[async_trait]
impl Function for Classify {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn invoke(&self, event: Bytes) -> Result<Bytes, FunctionError> {
        let settings = &self.settings;
        let read = |record: &[u8]| record::read(settings, record);
        let write = |fields, prediction: &_| Ok(record::write(settings, fields, prediction));
        self.labelling.transform(&event, read, write).await
    }
}
