//! Builds a text column in one buffer: values are written piece by piece, no row allocates.

use arrow_array::{BinaryArray, StringArray};
use arrow_buffer::{Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};

/// A text column under construction.
///
/// A row is made of any number of pieces and ended by [`TextBuilder::finish_value`] or [`TextBuilder::push_null`]. A batch holds at
/// most 2 GiB of text: from there on [`TextBuilder::has_room`] is false and callers fail the row.
pub struct TextBuilder {
    bytes: Vec<u8>,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl TextBuilder {
    /// Room for `rows` rows and about `bytes` bytes.
    pub fn with_capacity(rows: usize, bytes: usize) -> TextBuilder {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        TextBuilder { bytes: Vec::with_capacity(bytes), offsets, nulls: NullBufferBuilder::new(rows) }
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// True before the first row ends.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes so far, those of an unfinished row included.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether another `more` bytes fit the 32-bit offsets.
    #[inline]
    pub fn has_room(&self, more: usize) -> bool {
        self.bytes.len() + more <= i32::MAX as usize
    }

    /// Adds text to the current row.
    #[inline]
    pub fn write(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Adds `source[start..end]` to the current row. Faster than [`TextBuilder::write`] for the short texts of a long source:
    /// a block of fixed size is copied and the rest cut off again.
    #[inline]
    pub fn write_within(&mut self, source: &str, start: usize, end: usize) {
        const BLOCK: usize = 32;
        let length = end - start;
        if length <= BLOCK
            && source.is_char_boundary(start)
            && source.is_char_boundary(end)
            && let Some(block) = source.as_bytes().get(start..start + BLOCK)
        {
            let block: &[u8; BLOCK] = block.try_into().expect("the range has this length");
            self.bytes.extend_from_slice(block);
            self.bytes.truncate(self.bytes.len() - BLOCK + length);
        } else {
            self.write(&source[start..end]);
        }
    }

    /// Adds one character to the current row.
    pub fn write_char(&mut self, character: char) {
        let mut buffer = [0; 4];
        self.write(character.encode_utf8(&mut buffer));
    }

    /// Ends the current row. A row that went past 2 GiB becomes NULL.
    #[inline]
    pub fn finish_value(&mut self) {
        if self.bytes.len() > i32::MAX as usize {
            self.push_null();
            return;
        }
        self.offsets.push(self.bytes.len() as i32);
        self.nulls.append_non_null();
    }

    /// Adds a whole row.
    #[inline]
    pub fn push(&mut self, text: &str) {
        self.write(text);
        self.finish_value();
    }

    /// Ends the current row as NULL; what was written to it is dropped.
    pub fn push_null(&mut self) {
        let end = self.row_start();
        self.bytes.truncate(end);
        self.offsets.push(end as i32);
        self.nulls.append_null();
    }

    fn row_start(&self) -> usize {
        self.offsets.last().map_or(0, |offset| *offset as usize)
    }

    /// The text written to the current row so far.
    pub fn current(&self) -> &[u8] {
        &self.bytes[self.row_start()..]
    }

    /// Shortens the current row to `length` bytes.
    pub fn truncate_current(&mut self, length: usize) {
        let end = self.row_start() + length;
        self.bytes.truncate(end);
    }

    /// Drops whole rows from the end until `rows` are left.
    pub fn truncate_rows(&mut self, rows: usize) {
        if rows < self.len() {
            self.offsets.truncate(rows + 1);
            let end = self.row_start();
            self.bytes.truncate(end);
            self.nulls.truncate(rows);
        }
    }

    /// The column. Checks the text to be UTF-8 once, as a whole.
    pub fn finish(mut self) -> StringArray {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        StringArray::try_new(offsets, Buffer::from_vec(self.bytes), self.nulls.finish())
            .expect("only whole characters are written and cut")
    }
}

/// A byte string column from rows.
pub fn binary_array<'a>(rows: impl IntoIterator<Item = Option<&'a [u8]>>) -> BinaryArray {
    BinaryArray::from_iter(rows)
}

/// The byte position after the first `characters` characters of `text`; its length when it has fewer.
#[inline]
pub fn character_boundary(text: &str, characters: usize) -> usize {
    if text.len() <= characters {
        return text.len();
    }
    if text.as_bytes()[..characters].is_ascii() && text.is_char_boundary(characters) {
        return characters;
    }
    text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at)
}
