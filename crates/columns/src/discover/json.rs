//! Columns of JSON documents: members, members of members two levels deep, and members of the elements of one array.

use super::column_name::Names;
use super::column_type::{ColumnType, Seen};
use super::document::Document;
use super::{DiscoverError, Discovered, MOST_COLUMNS, Types};
use crate::formats::{InputColumn, InputSchema, RecordFormat, push_member};
use std::collections::{BTreeSet, HashMap};

/// Objects in objects that become columns of their own.
const NESTED_LEVELS: usize = 2;

/// A column that is forming.
struct Column {
    /// The last name of its path.
    source_name: String,
    path: Path,
    column_type: ColumnType,
}

/// Where a column's value is.
#[derive(Clone, Debug, PartialEq)]
enum Path {
    /// Names from the row down.
    Member(Vec<String>),
    /// The same, to an array that is kept whole.
    WholeArray(Vec<String>),
    /// Names to the flattened array, then the member of its elements.
    OfElement(Vec<String>, String),
}

/// The columns that are forming, found by the names of their paths.
#[derive(Default)]
struct Columns {
    all: Vec<Column>,
    by_names: HashMap<Vec<String>, usize>,
    /// Members that no path can name.
    left: BTreeSet<Vec<String>>,
}

pub(super) fn discover(documents: &[Document], types: Types) -> Result<Discovered, DiscoverError> {
    let (record_row_path, rows) = rows_of(documents);
    let mut columns = Columns::default();
    let flattened = rows.iter().find_map(|row| first_array_of_objects(row, &mut Vec::new(), 0));
    for row in &rows {
        visit(row, &mut Vec::new(), flattened.as_deref(), &mut |path, _, value| columns.note(path, value));
    }
    if columns.all.is_empty() && !columns.left.is_empty() {
        return Err(DiscoverError::NoNames(columns.left.len()));
    }
    if columns.all.len() > MOST_COLUMNS {
        return Err(DiscoverError::TooManyColumns(columns.all.len()));
    }
    let mut names = Names::default();
    let input_columns = columns.all.iter().enumerate().map(|(position, column)| InputColumn {
        name: names.of_source(&column.source_name, position),
        sql_type: column.column_type.sql_type(types),
        mapping: Some(column.path.mapping()),
    });
    let schema =
        InputSchema { format: RecordFormat::Json { record_row_path }, columns: input_columns.collect() };
    let rows = rows.iter().flat_map(|row| parsed(row, flattened.as_deref(), &columns)).collect();
    let left_members = columns.left.iter().map(|names| shown_path(names)).collect();
    let notes = names.note().into_iter().collect();
    Ok(Discovered { rows, left_members, notes, ..Discovered::of(schema) })
}

/// The path of rows, and the rows: the document, the elements of a document that is an array, or those of an object's
/// only member when that is an array of objects.
fn rows_of(documents: &[Document]) -> (String, Vec<&Document>) {
    let all: Option<Vec<&Vec<Document>>> = documents.iter().map(objects_in_array).collect();
    if let Some(arrays) = all {
        return ("$[0:]".to_owned(), arrays.into_iter().flatten().collect());
    }
    let all: Option<Vec<(&str, &Vec<Document>)>> = documents.iter().map(envelope).collect();
    match all {
        Some(envelopes)
            if is_path_name(envelopes[0].0) && envelopes.iter().all(|one| one.0 == envelopes[0].0) =>
        {
            (path_of([envelopes[0].0]) + "[0:]", envelopes.iter().flat_map(|one| one.1).collect())
        }
        _ => ("$".to_owned(), documents.iter().collect()),
    }
}

/// The elements of an array that holds objects and nothing else.
fn objects_in_array(document: &Document) -> Option<&Vec<Document>> {
    match document {
        Document::Array(elements) if !elements.is_empty() && elements.iter().all(is_object) => Some(elements),
        _ => None,
    }
}

/// The only member of an object, when it is such an array.
fn envelope(document: &Document) -> Option<(&str, &Vec<Document>)> {
    match document {
        Document::Object(members) if members.len() == 1 => {
            let (name, value) = &members[0];
            Some((name.as_str(), objects_in_array(value)?))
        }
        _ => None,
    }
}

fn is_object(document: &Document) -> bool {
    matches!(document, Document::Object(_))
}

/// Line ends and other control characters have no place in a path that is written down.
fn is_path_name(name: &str) -> bool {
    !name.contains(char::is_control)
}

/// The way to the first array whose elements are objects.
fn first_array_of_objects(value: &Document, way: &mut Vec<String>, level: usize) -> Option<Vec<String>> {
    let Document::Object(members) = value else { return None };
    for (name, member) in members.iter().filter(|(name, _)| is_path_name(name)) {
        way.push(name.clone());
        let found = match member {
            Document::Array(elements) if !elements.is_empty() && elements.iter().all(is_object) => {
                Some(way.clone())
            }
            Document::Object(_) if level < NESTED_LEVELS => first_array_of_objects(member, way, level + 1),
            _ => None,
        };
        way.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Tells every member of a row, with the number of the element of the flattened array that it is of.
fn visit<'d>(
    value: &'d Document,
    way: &mut Vec<String>,
    flattened: Option<&[String]>,
    tell: &mut dyn FnMut(Path, usize, &'d Document),
) {
    let Document::Object(members) = value else { return };
    for (name, member) in members {
        way.push(name.clone());
        match member {
            Document::Object(inner) if way.len() <= NESTED_LEVELS && !inner.is_empty() => {
                visit(member, way, flattened, tell);
            }
            Document::Array(elements) if flattened == Some(way.as_slice()) => {
                for (number, element) in elements.iter().enumerate() {
                    let Document::Object(inner) = element else { continue };
                    for (name, value) in inner {
                        tell(Path::OfElement(way.clone(), name.clone()), number, value);
                    }
                }
            }
            Document::Array(_) => tell(Path::WholeArray(way.clone()), 0, member),
            _ => tell(Path::Member(way.clone()), 0, member),
        }
        way.pop();
    }
}

impl Columns {
    /// Notes a value. A member that is an array in one row and something else in another is one column.
    fn note(&mut self, path: Path, value: &Document) {
        let names = path.names();
        if !names.iter().all(|name| is_path_name(name)) {
            self.left.insert(names);
            return;
        }
        let index = *self.by_names.entry(names).or_insert_with(|| {
            let source_name = path.last_name().to_owned();
            self.all.push(Column { source_name, path, column_type: ColumnType::default() });
            self.all.len() - 1
        });
        let source;
        let seen = match value {
            Document::Null => Seen::Null,
            Document::Boolean(_) => Seen::Boolean,
            Document::Number(text) => Seen::Number(text),
            Document::Text(text) => Seen::Text(text),
            Document::Array(_) | Document::Object(_) => {
                source = value.source();
                Seen::Source(&source)
            }
        };
        self.all[index].column_type.see(seen);
    }
}

impl Path {
    fn names(&self) -> Vec<String> {
        match self {
            Path::Member(names) | Path::WholeArray(names) => names.clone(),
            Path::OfElement(names, member) => names.iter().chain([member]).cloned().collect(),
        }
    }

    fn last_name(&self) -> &str {
        match self {
            Path::Member(names) | Path::WholeArray(names) => names.last().map_or("", String::as_str),
            Path::OfElement(_, member) => member,
        }
    }

    fn mapping(&self) -> String {
        match self {
            Path::Member(names) => path_of(names),
            Path::WholeArray(names) => path_of(names) + "[0:]",
            Path::OfElement(names, member) => {
                let mut path = path_of(names) + "[0:]";
                push_step(&mut path, member);
                path
            }
        }
    }
}

/// Names that no path can hold, for people: as JSON writes them.
fn shown_path(names: &[String]) -> String {
    let shown = names.iter().map(|name| Document::Text(name.clone()).source());
    shown.collect::<Vec<_>>().join(".")
}

/// The path along these names.
fn path_of(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut path = "$".to_owned();
    names.into_iter().for_each(|name| push_step(&mut path, name.as_ref()));
    path
}

/// Adds the step to a member of this name to a path. One with a parenthesis stands in quotes: behind a dot it would take
/// part in the parentheses of a text of columns.
fn push_step(path: &mut String, name: &str) {
    if name.contains(['(', ')']) {
        let escaped = name.replace('\\', "\\\\").replace('\'', "\\'");
        path.push_str(&format!("['{escaped}']"));
    } else {
        push_member(path, name);
    }
}

fn member<'a>(value: &'a Document, name: &str) -> Option<&'a Document> {
    match value {
        Document::Object(members) => members.iter().find(|(known, _)| known == name).map(|(_, value)| value),
        _ => None,
    }
}

fn follow<'a>(row: &'a Document, names: &[String]) -> Option<&'a Document> {
    names.iter().try_fold(row, |value, name| member(value, name))
}

/// A row as text: one for each element of the flattened array, at least one.
fn parsed(row: &Document, flattened: Option<&[String]>, columns: &Columns) -> Vec<Vec<String>> {
    let elements = match flattened.and_then(|way| follow(row, way)) {
        Some(Document::Array(elements)) => elements.len().max(1),
        _ => 1,
    };
    let mut rows = vec![vec![String::new(); columns.all.len()]; elements];
    visit(row, &mut Vec::new(), flattened, &mut |path, element, value| {
        let Some(column) = columns.by_names.get(&path.names()).copied() else { return };
        match path {
            Path::OfElement(..) => rows[element][column] = value.text(),
            Path::Member(_) | Path::WholeArray(_) => {
                rows.iter_mut().for_each(|row| row[column] = value.text());
            }
        }
    });
    rows
}
