//! Several pumps that write one stream: their rows are merged by ROWTIME.
//!
//! A row waits until every other writer has come at least as far. Rows of one ROWTIME leave in the order of the
//! writers, as far as they are there.

use crate::batch::Batch;
use crate::operators::{END_OF_TIME, Message};
use std::collections::VecDeque;

pub(super) struct Merge {
    writers: Vec<Writer>,
    /// The bound that was given last.
    given: i64,
}

pub(super) struct Writer {
    /// Rows that wait, one by one.
    pub(super) waiting: VecDeque<Batch>,
    /// No later row of this writer has a smaller ROWTIME.
    pub(super) bound: i64,
}

impl Merge {
    pub(super) fn new(writers: usize) -> Merge {
        let writer = || Writer { waiting: VecDeque::new(), bound: i64::MIN };
        Merge { writers: (0..writers).map(|_| writer()).collect(), given: i64::MIN }
    }

    /// Takes what a writer gives; returns what the stream gives.
    pub(super) fn take(&mut self, writer: usize, messages: Vec<Message>) -> Vec<Message> {
        if self.writers.len() <= 1 {
            return messages;
        }
        let mut told = Vec::new();
        for message in messages {
            match message {
                Message::Rows(batch) => {
                    if let Some(last) = batch.rowtimes.last() {
                        self.writers[writer].bound = self.writers[writer].bound.max(*last);
                    }
                    self.writers[writer].waiting.extend((0..batch.len()).map(|row| batch.slice(row, 1)));
                }
                Message::Bound(bound) => self.writers[writer].bound = self.writers[writer].bound.max(bound),
                Message::End => {}
                // Each writer says it; the rows of the others wait for theirs.
                Message::Release => told.push(Message::Release),
            }
        }
        let mut released = Vec::new();
        while let Some(batch) = self.next() {
            released.push(batch);
        }
        let mut messages = Vec::new();
        if !released.is_empty() {
            messages.push(Message::Rows(
                Batch::concat(&released).expect("all rows have the columns of the stream"),
            ));
        }
        let bound = self.bound();
        if bound > self.given {
            self.given = bound;
            messages.push(Message::Bound(bound));
        }
        messages.append(&mut told);
        messages
    }

    /// All writers have ended: the rows that wait go.
    pub(super) fn end(&mut self) -> Vec<Message> {
        self.writers.iter_mut().for_each(|writer| writer.bound = END_OF_TIME);
        match self.writers.is_empty() {
            true => Vec::new(),
            false => self.take(0, Vec::new()),
        }
    }

    /// The earliest waiting row, if no writer can still give an earlier one.
    fn next(&mut self) -> Option<Batch> {
        let (index, rowtime) = self
            .writers
            .iter()
            .enumerate()
            .filter_map(|(index, writer)| Some((index, writer.waiting.front()?.rowtimes[0])))
            .min_by_key(|(index, rowtime)| (*rowtime, *index))?;
        let others_have_come =
            self.writers.iter().enumerate().all(|(other, writer)| {
                other == index || !writer.waiting.is_empty() || writer.bound >= rowtime
            });
        if others_have_come { self.writers[index].waiting.pop_front() } else { None }
    }

    fn bound(&self) -> i64 {
        let bounds = self.writers.iter().map(|writer| match writer.waiting.front() {
            Some(batch) => batch.rowtimes[0],
            None => writer.bound,
        });
        bounds.min().unwrap_or(i64::MIN)
    }

    pub(super) fn parts(&self) -> (&[Writer], i64) {
        (&self.writers, self.given)
    }

    pub(super) fn set_parts(&mut self, writers: Vec<Writer>, given: i64) {
        self.writers = writers;
        self.given = given;
    }
}
