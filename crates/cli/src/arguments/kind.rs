//! Kinds of resources, as people write them.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command, Error};
use millstream_control::definition::Kind;

/// Reads a kind, also its plural; help and completions list all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct KindParser;

impl TypedValueParser for KindParser {
    type Value = Kind;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Kind, Error> {
        let takes_name = command.get_arguments().any(|argument| argument.get_id() == "name");
        let name = command.get_name().to_owned();
        let parser = StringValueParser::new().try_map(move |text| {
            text.parse::<Kind>().map_err(|unknown| match takes_name {
                true => {
                    format!("{unknown}; a name stands behind its kind, such as {name} application {text}")
                }
                false => unknown,
            })
        });
        parser.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue>>> {
        Some(Box::new(Kind::ALL.into_iter().map(|kind| PossibleValue::new(kind.as_str()))))
    }
}
