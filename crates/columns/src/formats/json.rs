//! Records of JSON documents.
//!
//! The paths of the columns form a tree of names. A document is scanned once along that tree: what no column asks for is
//! skipped, what one asks for is noted as a range of bytes, and only then converted. Nothing is built in between.

use crate::formats::columns::{ColumnBuilder, RecordValue};
use crate::formats::json_path::{Step, parse_path};
use crate::formats::json_scan::{Found, JsonError, Kind, Scanner, compact, unescape};
use crate::formats::parser::Rows;
use crate::formats::schema::{InputColumn, SchemaError};
use crate::row_error::ErrorName;

/// Values that the rows of one flattened array may have: two million, so that a small record cannot fill the memory.
const FLATTENED_LIMIT: usize = 1 << 21;
/// Bytes that the columns outside a flattened array may take when they are repeated for each element.
const REPEATED_LIMIT: usize = 1 << 26;

/// A reader of JSON records.
pub(super) struct JsonReader {
    /// Names on the way to the row; `true` where an array is opened whose elements are rows.
    row_path: Vec<Step>,
    tree: PathNode,
    /// What the current row has, column by column.
    found: Vec<Option<Found>>,
    /// What each element of the flattened array has, `found.len()` entries an element.
    elements: Vec<Option<Found>>,
    /// The columns inside the flattened array, once a document has one.
    flattened: Option<Vec<usize>>,
    /// The elements of the flattened array that are no objects, so no rows: from which byte to which.
    strays: Vec<(usize, usize)>,
    scratch: String,
    /// The names and columns of the row's members, when no path goes deeper: such rows are read in one pass.
    flat: Option<Vec<(String, usize)>>,
}

/// A name in the tree of paths.
#[derive(Default, Debug)]
struct PathNode {
    children: Vec<(String, PathNode)>,
    /// Columns that take the value here.
    columns: Vec<usize>,
}

impl PathNode {
    fn insert(&mut self, names: &[&str], column: usize) {
        let Some((name, rest)) = names.split_first() else {
            self.columns.push(column);
            return;
        };
        let index = match self.children.iter().position(|(child, _)| child == name) {
            Some(index) => index,
            None => {
                self.children.push(((*name).to_owned(), PathNode::default()));
                self.children.len() - 1
            }
        };
        self.children[index].1.insert(rest, column);
    }

    /// Every column below this node.
    fn columns_below(&self, columns: &mut Vec<usize>) {
        for (_, child) in &self.children {
            columns.extend(&child.columns);
            child.columns_below(columns);
        }
    }
}

/// What the value at `at` is, when it is no object.
fn other_than_object_at(scanner: Scanner<'_>, at: usize) -> Option<&'static str> {
    match scanner.bytes.get(at)? {
        b'{' => None,
        b'[' => Some("an array"),
        b'"' => Some("a string"),
        b't' | b'f' => Some("true or false"),
        b'n' => Some("null"),
        _ => Some("a number"),
    }
}

/// Refuses what stands at a place for a row: nothing in it has a name.
fn refuse_no_object(what: &str, raw: &str, rows: &mut Rows) {
    let message = format!("the row is {what}: a JSON object is expected");
    rows.refuse(ErrorName::ParseError, message, raw.as_bytes());
}

/// Why a text is no JSON, and where, in the words of the errors of records: `a value is expected at byte 0`. `None` when its
/// brackets, quotes and values stand as in JSON; what is between the quotes is not looked at.
pub fn not_json(text: &str) -> Option<String> {
    let scanner = Scanner { bytes: text.as_bytes() };
    let mut at = scanner.skip_blank(0);
    loop {
        match scanner.value(at, 0) {
            Ok((_, after)) => at = scanner.skip_blank(after),
            Err(error) => return Some(format!("{} at byte {}", error.reason, error.at)),
        }
        if at == text.len() {
            return None;
        }
    }
}

/// Where a walk notes what it finds.
enum Target {
    Row,
    Element,
}

impl JsonReader {
    pub(super) fn new(row_path: &str, columns: &[InputColumn]) -> Result<JsonReader, SchemaError> {
        let row_path = parse_path(row_path)?;
        let mut tree = PathNode::default();
        let mut array: Option<(Vec<Option<String>>, String)> = None;
        for (index, column) in columns.iter().enumerate() {
            let path =
                column.mapping.as_ref().ok_or_else(|| SchemaError::MissingMapping(column.name.clone()))?;
            let steps = parse_path(path)?;
            let through: Vec<usize> =
                (0..steps.len().saturating_sub(1)).filter(|step| steps[*step].array).collect();
            if through.len() > 1 {
                return Err(SchemaError::Path {
                    path: path.clone(),
                    reason: "only one array on the way can make rows",
                });
            }
            if let Some(step) = through.first() {
                let prefix: Vec<Option<String>> =
                    steps[..=*step].iter().map(|step| step.name.clone()).collect();
                match &array {
                    Some((known, first)) if *known != prefix => {
                        return Err(SchemaError::TwoArrays { first: first.clone(), second: path.clone() });
                    }
                    _ => array = Some((prefix, path.clone())),
                }
            }
            let names: Vec<&str> = steps.iter().filter_map(|step| step.name.as_deref()).collect();
            tree.insert(&names, index);
        }
        let plain_row = matches!(row_path.as_slice(), [Step { array: false, .. }]);
        Ok(JsonReader {
            flat: if plain_row { flat_members(&tree, columns.len()) } else { None },
            row_path,
            tree,
            found: vec![None; columns.len()],
            elements: Vec::new(),
            flattened: None,
            strays: Vec::new(),
            scratch: String::new(),
        })
    }

    /// Reads the documents of a record.
    pub(super) fn read(&mut self, text: &str, rows: &mut Rows) {
        let scanner = Scanner { bytes: text.as_bytes() };
        let mut at = scanner.skip_blank(0);
        if at == text.len() {
            rows.refuse(ErrorName::ParseError, "the record is empty: JSON is expected".into(), b"");
            return;
        }
        while at < text.len() {
            match self.read_document(text, scanner, at, rows) {
                Ok(after) => at = scanner.skip_blank(after),
                Err(error) => {
                    let message = format!("the record is not JSON: {} at byte {}", error.reason, error.at);
                    rows.refuse(ErrorName::ParseError, message, &text.as_bytes()[at..]);
                    return;
                }
            }
        }
    }

    /// Reads the document at `at`; gives the place after it. A document that is not JSON gives no rows.
    fn read_document(
        &mut self,
        text: &str,
        scanner: Scanner<'_>,
        at: usize,
        rows: &mut Rows,
    ) -> Result<usize, JsonError> {
        if let [Step { array: false, .. }] = self.row_path.as_slice() {
            return self.read_row(text, scanner, at, 0, rows);
        }
        let (document, after) = scanner.value(at, 0)?;
        let mut candidates = vec![document];
        for step in self.row_path.clone() {
            let mut next = Vec::new();
            for value in candidates {
                let value = match &step.name {
                    None => Some(value),
                    Some(name) => member(text, scanner, value, name, &mut self.scratch)?,
                };
                match value {
                    Some(value) if step.array && value.kind == Kind::Array => {
                        elements(scanner, value, &mut next)?;
                    }
                    Some(value) => next.push(value),
                    None => {}
                }
            }
            candidates = next;
        }
        for candidate in candidates {
            let start = match candidate.kind {
                Kind::Text { .. } => candidate.start - 1,
                _ => candidate.start,
            };
            self.read_row(text, scanner, start, 0, rows)?;
        }
        Ok(after)
    }

    fn read_row(
        &mut self,
        text: &str,
        scanner: Scanner<'_>,
        at: usize,
        depth: usize,
        rows: &mut Rows,
    ) -> Result<usize, JsonError> {
        if let Some(members) = &self.flat
            && let Some(after) = read_flat(members, text, scanner, at, rows)
        {
            return Ok(after);
        }
        self.found.fill(None);
        self.elements.clear();
        self.flattened = None;
        self.strays.clear();
        let tree = std::mem::take(&mut self.tree);
        let walked = self.walk(text, scanner, &tree, at, depth, &Target::Row);
        self.tree = tree;
        let after = walked?;
        // Nothing in a scalar has a name: without a column for the whole of it, it is no row.
        if !scanner.is(at, b'[')
            && let Some(what) = other_than_object_at(scanner, at)
            && self.tree.columns.is_empty()
        {
            refuse_no_object(what, &text[at..after], rows);
            return Ok(after);
        }
        self.refuse_strays(text, scanner, rows);
        // What stands beside an array without a single object is still a row.
        let is_row =
            self.strays.is_empty() || !self.elements.is_empty() || self.found.iter().any(Option::is_some);
        if is_row {
            self.emit(text, &text[at..after], rows);
        }
        Ok(after)
    }

    /// Notes what the value at `at` holds for the columns of `node`; gives the place after the value.
    fn walk(
        &mut self,
        text: &str,
        scanner: Scanner<'_>,
        node: &PathNode,
        at: usize,
        depth: usize,
        target: &Target,
    ) -> Result<usize, JsonError> {
        if !node.columns.is_empty() {
            let (found, after) = scanner.value(at, depth)?;
            for column in &node.columns {
                match target {
                    Target::Row => self.found[*column] = Some(found),
                    Target::Element => {
                        let start = self.elements.len() - self.found.len();
                        self.elements[start + *column] = Some(found);
                    }
                }
            }
            if node.children.is_empty() {
                return Ok(after);
            }
        }
        match scanner.bytes.get(at) {
            Some(b'{') if !node.children.is_empty() => {
                self.walk_members(text, scanner, node, at, depth, target)
            }
            Some(b'[') if !node.children.is_empty() => match target {
                Target::Row => self.walk_elements(text, scanner, node, at, depth),
                Target::Element => scanner.error(at, "an array inside the flattened array cannot make rows"),
            },
            _ => Ok(scanner.value(at, depth)?.1),
        }
    }

    fn walk_members(
        &mut self,
        text: &str,
        scanner: Scanner<'_>,
        node: &PathNode,
        start: usize,
        depth: usize,
        target: &Target,
    ) -> Result<usize, JsonError> {
        if depth >= super::json_scan::DEPTH_LIMIT {
            return scanner.error(start, "it is nested more than 100 levels deep");
        }
        let mut at = scanner.skip_blank(start + 1);
        if scanner.is(at, b'}') {
            return Ok(at + 1);
        }
        let mut expected = 0;
        loop {
            let (key, value_at) = scanner.key(at)?;
            let after = match self.child(text, node, key, &mut expected) {
                Some(index) => {
                    self.walk(text, scanner, &node.children[index].1, value_at, depth + 1, target)?
                }
                None => scanner.value(value_at, depth + 1)?.1,
            };
            at = scanner.skip_blank(after);
            match scanner.bytes.get(at) {
                Some(b',') => at = scanner.skip_blank(at + 1),
                Some(b'}') => return Ok(at + 1),
                _ => return scanner.error(at, "a comma or } is expected"),
            }
        }
    }

    /// The child of that name. Members mostly come in the order of the columns, so the search begins at `expected`.
    fn child(&mut self, text: &str, node: &PathNode, key: Found, expected: &mut usize) -> Option<usize> {
        let mut name = &text[key.start..key.end];
        if key.kind == (Kind::Text { escaped: true }) {
            self.scratch.clear();
            unescape(name, &mut self.scratch)?;
            name = &self.scratch;
        }
        let count = node.children.len();
        for offset in 0..count {
            let index = (*expected + offset) % count;
            if node.children[index].0 == name {
                *expected = index + 1;
                return Some(index);
            }
        }
        None
    }

    fn walk_elements(
        &mut self,
        text: &str,
        scanner: Scanner<'_>,
        node: &PathNode,
        start: usize,
        depth: usize,
    ) -> Result<usize, JsonError> {
        if self.flattened.is_some() {
            return scanner.error(start, "a second array cannot make rows");
        }
        let mut columns = Vec::new();
        node.columns_below(&mut columns);
        self.flattened = Some(columns);
        let mut at = scanner.skip_blank(start + 1);
        if scanner.is(at, b']') {
            return Ok(at + 1);
        }
        loop {
            let width = self.found.len();
            if self.elements.len() + width > FLATTENED_LIMIT {
                return scanner.error(at, "the array has too many elements for so many columns");
            }
            let after = if scanner.is(at, b'{') {
                self.elements.resize(self.elements.len() + width, None);
                self.walk_members(text, scanner, node, at, depth + 1, &Target::Element)?
            } else {
                let after = scanner.value(at, depth + 1)?.1;
                self.note_no_object(node, at, after);
                after
            };
            at = scanner.skip_blank(after);
            match scanner.bytes.get(at) {
                Some(b',') => at = scanner.skip_blank(at + 1),
                Some(b']') => return Ok(at + 1),
                _ => return scanner.error(at, "a comma or ] is expected"),
            }
        }
    }

    /// Notes an element of the flattened array `node` that is no object. It is no row, unless a column takes the whole
    /// array: then that has it.
    fn note_no_object(&mut self, node: &PathNode, start: usize, end: usize) {
        if node.columns.is_empty() {
            self.strays.push((start, end));
        } else {
            self.elements.resize(self.elements.len() + self.found.len(), None);
        }
    }

    fn refuse_strays(&self, text: &str, scanner: Scanner<'_>, rows: &mut Rows) {
        for (start, end) in &self.strays {
            if let Some(what) = other_than_object_at(scanner, *start) {
                refuse_no_object(what, &text[*start..*end], rows);
            }
        }
    }

    /// Converts what was found: one row, or one for each element of the flattened array. An array without a single
    /// member that a column asks for gives one row.
    fn emit(&mut self, text: &str, raw: &str, rows: &mut Rows) {
        let before = rows.row_to_record.len();
        let width = self.found.len();
        let any_element = self.elements.iter().any(Option::is_some);
        let count = if any_element { self.elements.len() / width } else { 1 };
        if count > 1 {
            let repeated: usize = self.found.iter().flatten().map(|found| found.end - found.start).sum();
            if repeated.saturating_mul(count) > REPEATED_LIMIT {
                let message =
                    format!("repeating {repeated} bytes for {count} array elements takes too much memory");
                rows.refuse(ErrorName::ParseError, message, raw.as_bytes());
                return;
            }
        }
        for element in 0..count {
            for column in 0..width {
                let inside = any_element
                    && self.flattened.as_ref().is_some_and(|flattened| flattened.contains(&column));
                let found = if inside { self.elements[element * width + column] } else { self.found[column] };
                let Some(found) = found else {
                    rows.builders[column].push_null();
                    continue;
                };
                let source = &text[found.start..found.end];
                if found.kind == (Kind::Text { escaped: false }) {
                    if rows.builders[column].push_text_within(text, found.start, found.end).is_err() {
                        rows.roll_back(before);
                        rows.refuse_column(column, source, raw.as_bytes());
                        return;
                    }
                    continue;
                }
                self.scratch.clear();
                let value = match found.kind {
                    Kind::Null => RecordValue::Null,
                    Kind::True => RecordValue::Boolean(true),
                    Kind::False => RecordValue::Boolean(false),
                    Kind::Number => RecordValue::Number(source),
                    Kind::Text { escaped: false } => RecordValue::Text(source),
                    Kind::Text { escaped: true } => {
                        if unescape(source, &mut self.scratch).is_none() {
                            rows.roll_back(before);
                            let message = format!(
                                "column \"{}\": the string has an unknown escape",
                                rows.names[column]
                            );
                            rows.refuse(ErrorName::ParseError, message, raw.as_bytes());
                            return;
                        }
                        RecordValue::Text(&self.scratch)
                    }
                    Kind::Array | Kind::Object => {
                        compact(source, &mut self.scratch);
                        RecordValue::Source(&self.scratch)
                    }
                };
                if rows.builders[column].push(value).is_err() {
                    rows.roll_back(before);
                    rows.refuse_column(column, source, raw.as_bytes());
                    return;
                }
            }
            rows.commit();
        }
    }
}

/// The members that the columns ask for, when every path is one plain name and no two are the same.
fn flat_members(tree: &PathNode, columns: usize) -> Option<Vec<(String, usize)>> {
    let plain = |name: &str| !name.contains(['"', '\\']);
    let members: Vec<(String, usize)> = tree
        .children
        .iter()
        .filter_map(|(name, node)| match node.columns.as_slice() {
            [column] if node.children.is_empty() && plain(name) => Some((name.clone(), *column)),
            _ => None,
        })
        .collect();
    (members.len() == columns && columns <= 64).then_some(members)
}

/// Reads an object whose wanted members are plain values straight into the columns; gives the place after it. `None`, and
/// nothing read, for anything else (escapes, nested values where one is wanted, a member twice, a value that does not fit,
/// an error): the general way then takes it, and finds the words for what is wrong.
fn read_flat(
    members: &[(String, usize)],
    text: &str,
    scanner: Scanner<'_>,
    start: usize,
    rows: &mut Rows,
) -> Option<usize> {
    let before = rows.row_to_record.len();
    let mut filled = 0u64;
    let after = read_flat_members(members, text, scanner, start, rows, &mut filled);
    if after.is_none() {
        rows.roll_back(before);
        return None;
    }
    if filled.count_ones() as usize != members.len() {
        for (_, column) in members.iter().filter(|(_, column)| filled & (1 << column) == 0) {
            rows.builders[*column].push_null();
        }
    }
    rows.commit();
    after
}

fn read_flat_members(
    members: &[(String, usize)],
    text: &str,
    scanner: Scanner<'_>,
    start: usize,
    rows: &mut Rows,
    filled: &mut u64,
) -> Option<usize> {
    if !scanner.is(start, b'{') {
        return None;
    }
    let mut at = scanner.skip_blank(start + 1);
    if scanner.is(at, b'}') {
        return Some(at + 1);
    }
    let mut expected = 0;
    loop {
        let mut wanted = None;
        let mut key_end = at;
        if let Some((name, column)) = members.get(expected) {
            let end = at + 1 + name.len();
            if scanner.is(at, b'"')
                && scanner.is(end, b'"')
                && scanner.bytes.get(at + 1..end) == Some(name.as_bytes())
            {
                wanted = Some(*column);
                key_end = end;
                expected += 1;
            }
        }
        let value_at = if wanted.is_some() {
            let colon = scanner.skip_blank(key_end + 1);
            if !scanner.is(colon, b':') {
                return None;
            }
            scanner.skip_blank(colon + 1)
        } else {
            let (key, value_at) = scanner.key(at).ok()?;
            if key.kind == (Kind::Text { escaped: true }) {
                return None;
            }
            let name = &text[key.start..key.end];
            if let Some(index) = members.iter().position(|(member, _)| member == name) {
                wanted = Some(members[index].1);
                expected = index + 1;
            }
            value_at
        };
        let after = match wanted {
            None => scanner.value(value_at, 1).ok()?.1,
            Some(column) => {
                let bit = 1u64 << column;
                if *filled & bit != 0 {
                    return None;
                }
                *filled |= bit;
                push_flat(&mut rows.builders[column], text, scanner, value_at)?
            }
        };
        at = scanner.skip_blank(after);
        match scanner.bytes.get(at) {
            Some(b',') => at = scanner.skip_blank(at + 1),
            Some(b'}') => return Some(at + 1),
            _ => return None,
        }
    }
}

#[inline]
fn push_flat(builder: &mut ColumnBuilder, text: &str, scanner: Scanner<'_>, at: usize) -> Option<usize> {
    match scanner.bytes.get(at)? {
        b'"' => {
            let (end, escaped) = scanner.text_end(at + 1).ok()?;
            if escaped || builder.push_text_within(text, at + 1, end).is_err() {
                return None;
            }
            Some(end + 1)
        }
        b'-' | b'0'..=b'9' => {
            let end = scanner.number_end(at).ok()?;
            builder.push(RecordValue::Number(&text[at..end])).ok()?;
            Some(end)
        }
        _ => {
            let (found, after) = scanner.value(at, 1).ok()?;
            let value = match found.kind {
                Kind::Null => RecordValue::Null,
                Kind::True => RecordValue::Boolean(true),
                Kind::False => RecordValue::Boolean(false),
                _ => return None,
            };
            builder.push(value).ok()?;
            Some(after)
        }
    }
}

/// The member of an object by its name.
fn member(
    text: &str,
    scanner: Scanner<'_>,
    object: Found,
    name: &str,
    scratch: &mut String,
) -> Result<Option<Found>, JsonError> {
    if object.kind != Kind::Object {
        return Ok(None);
    }
    let mut result = None;
    let mut at = scanner.skip_blank(object.start + 1);
    while !scanner.is(at, b'}') {
        let (key, value_at) = scanner.key(at)?;
        let (value, after) = scanner.value(value_at, 0)?;
        let plain = &text[key.start..key.end];
        scratch.clear();
        let matches = match key.kind {
            Kind::Text { escaped: true } => unescape(plain, scratch).is_some() && scratch == name,
            _ => plain == name,
        };
        if matches {
            result = Some(value);
        }
        at = scanner.skip_blank(after);
        if scanner.is(at, b',') {
            at = scanner.skip_blank(at + 1);
        }
    }
    Ok(result)
}

/// Adds the elements of an array to `out`.
fn elements(scanner: Scanner<'_>, array: Found, out: &mut Vec<Found>) -> Result<(), JsonError> {
    let mut at = scanner.skip_blank(array.start + 1);
    while !scanner.is(at, b']') {
        let (value, after) = scanner.value(at, 0)?;
        out.push(value);
        at = scanner.skip_blank(after);
        if scanner.is(at, b',') {
            at = scanner.skip_blank(at + 1);
        }
    }
    Ok(())
}
