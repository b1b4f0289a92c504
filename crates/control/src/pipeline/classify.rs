//! The keys of a `classify` function, which must go together.

use millstream_functions::{
    ClassifyKey, ClassifyMistake, ClassifySettings, JsonPath, LabelOutput, TextInput,
};
use toml::Spanned;

use super::declarations::FunctionDeclaration;
use crate::definition::{FunctionBody, TextPlace};

/// What is between columns, unless the file says otherwise.
const DELIMITER: char = '\t';

/// A function whose keys go together.
pub(super) fn body(declared: &FunctionDeclaration) -> FunctionBody {
    FunctionBody::Classify {
        endpoint: declared.endpoint.as_ref().map(|endpoint| endpoint.get_ref().clone()).unwrap_or_default(),
        text: text_place(declared),
        delimiter: delimiter(declared).unwrap_or(DELIMITER),
        output: list(&declared.output),
    }
}

/// All that is wrong with the keys of a function.
pub(super) fn mistakes(declared: &FunctionDeclaration) -> Vec<ClassifyMistake> {
    let mut mistakes = Vec::new();
    let mut wrong = |key, reason: String| mistakes.push(ClassifyMistake { key, reason });
    if let (None, Some(columns)) = (&declared.text, list(&declared.columns)) {
        let known = columns.join("\" or \"");
        wrong(ClassifyKey::Columns, format!("which column is the text? add text = \"{known}\""));
    }
    let delimiter = delimiter(declared);
    if delimiter.is_none() {
        let reason = "a delimiter is one character, such as \"\\t\" or \";\"";
        wrong(ClassifyKey::Delimiter, reason.to_owned());
    }
    if declared.delimiter.is_some() && declared.output.is_none() && declared.columns.is_none() {
        let reason = "a delimiter is for columns or output, and neither is given";
        wrong(ClassifyKey::Delimiter, reason.to_owned());
    }
    let delimiter = delimiter.unwrap_or(DELIMITER);
    let input = match text_place(declared) {
        // Of columns without a text nothing more can be said.
        TextPlace::Line if declared.columns.is_some() => return mistakes,
        TextPlace::Line => TextInput::Line,
        TextPlace::Column { columns, text } => TextInput::Delimited { columns, delimiter, text },
        TextPlace::JsonPath(path) => match JsonPath::parse(&path) {
            Ok(text) => TextInput::Json { text },
            Err(reason) => {
                wrong(ClassifyKey::Text, reason);
                return mistakes;
            }
        },
    };
    let output = match list(&declared.output) {
        Some(columns) => LabelOutput::Delimited { columns, delimiter },
        None => LabelOutput::Json,
    };
    mistakes.append(&mut ClassifySettings { input, output, ..ClassifySettings::default() }.mistakes());
    mistakes
}

/// Where the text is; the whole record where the file does not say which of the columns it is.
fn text_place(declared: &FunctionDeclaration) -> TextPlace {
    let text = declared.text.as_ref().map(|text| text.get_ref().clone());
    match (text, list(&declared.columns)) {
        (Some(text), Some(columns)) => TextPlace::Column { columns, text },
        (Some(text), None) => TextPlace::JsonPath(text),
        (None, _) => TextPlace::Line,
    }
}

/// What is between columns; `None` when it is not one character.
fn delimiter(declared: &FunctionDeclaration) -> Option<char> {
    let Some(delimiter) = &declared.delimiter else { return Some(DELIMITER) };
    let mut letters = delimiter.get_ref().chars();
    letters.next().filter(|_| letters.next().is_none())
}

fn list(declared: &Option<Spanned<Vec<String>>>) -> Option<Vec<String>> {
    declared.as_ref().map(|list| list.get_ref().clone())
}
