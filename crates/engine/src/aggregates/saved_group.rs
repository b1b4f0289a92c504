//! The state of one group in a checkpoint.

use super::accumulator::{Accumulator, State, entry_bytes, text_bytes};
use super::moments::Moments;
use crate::codec::{Decoder, put_bytes, put_f64, put_i64, put_i128, put_u64, put_value};
use crate::state::StateError;

impl Accumulator {
    /// Appends the state of a group.
    pub(crate) fn put_group(&self, group: usize, out: &mut Vec<u8>) -> Result<(), StateError> {
        match &self.state {
            State::Count(counts) => put_i64(out, counts[group]),
            State::Integers { sums, counts } | State::Decimals { sums, counts } => {
                put_i128(out, sums[group]);
                put_u64(out, counts[group]);
            }
            State::OneDouble { sum, count } => {
                put_bytes(out, &postcard::to_allocvec(sum)?);
                put_u64(out, *count);
            }
            State::Doubles { sums, counts } => {
                put_f64(out, sums[group]);
                put_u64(out, counts[group]);
            }
            State::Extremes(values) => put_value(out, &values[group]),
            State::Moments(moments) => put_bytes(out, &postcard::to_allocvec(&moments[group])?),
            State::Any(found) => out.push(u8::from(found[group])),
            State::Every(found) => out.push(match found[group] {
                None => 2,
                Some(value) => u8::from(value),
            }),
            State::Ends(values) => {
                out.push(u8::from(values[group].is_some()));
                values[group].iter().for_each(|value| put_value(out, value));
            }
        }
        if let Some(seen) = &self.seen {
            put_u64(out, seen[group].len() as u64);
            seen[group].iter().for_each(|value| put_bytes(out, value));
        }
        Ok(())
    }

    /// Takes over the state of a group, for which there must be room.
    pub(crate) fn take_group(&mut self, group: usize, from: &mut Decoder<'_>) -> Result<(), StateError> {
        match &mut self.state {
            State::Count(counts) => counts[group] = from.i64()?,
            State::Integers { sums, counts } | State::Decimals { sums, counts } => {
                (sums[group], counts[group]) = (from.i128()?, from.u64()?);
            }
            State::OneDouble { sum, count } => {
                (*sum, *count) = (postcard::from_bytes(from.bytes()?)?, from.u64()?);
            }
            State::Doubles { sums, counts } => (sums[group], counts[group]) = (from.f64()?, from.u64()?),
            State::Extremes(values) => {
                let value = from.value()?;
                self.value_bytes = self.value_bytes + text_bytes(&value) - text_bytes(&values[group]);
                values[group] = value;
            }
            State::Moments(moments) => moments[group] = postcard::from_bytes::<Moments>(from.bytes()?)?,
            State::Any(found) => found[group] = from.bool()?,
            State::Every(found) => {
                found[group] = match from.u8()? {
                    0 => Some(false),
                    1 => Some(true),
                    2 => None,
                    _ => return Err(StateError::Damaged("EVERY has a state that there is not")),
                };
            }
            State::Ends(values) => {
                let value = if from.bool()? { Some(from.value()?) } else { None };
                self.value_bytes += value.as_ref().map_or(0, text_bytes);
                let former = std::mem::replace(&mut values[group], value);
                self.value_bytes -= former.as_ref().map_or(0, text_bytes);
            }
        }
        if let Some(seen) = &mut self.seen {
            let before: usize = seen[group].iter().map(|value| entry_bytes(value.len())).sum();
            seen[group].clear();
            for _ in 0..from.count()? {
                seen[group].insert(from.bytes()?.to_vec());
            }
            let now: usize = seen[group].iter().map(|value| entry_bytes(value.len())).sum();
            self.value_bytes = self.value_bytes + now - before;
        }
        Ok(())
    }
}
