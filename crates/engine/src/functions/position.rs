//! `POSITION(part IN text)`: the character at which the first occurrence begins, from 1; 0 without one.

use crate::expression::CompileError;
use crate::expression::datum::Kernel;
use crate::expression::null_array;
use crate::functions::{CallSite, Function, signature};
use arrow_array::types::Int32Type;
use memchr::memmem::Finder;
use millstream_columns::{physical_type, primitive_array};
use millstream_sql::{Argument, Signature, SignatureError, SqlType};

pub(super) const FUNCTIONS: &[Function] =
    &[Function { name: "POSITION", signature, compile, can_fail: false, uses_clock: false }];

fn signature(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    signature::count(arguments, 2..=2, "2")?;
    let parameters = vec![signature::text(arguments, 0)?, signature::text(arguments, 1)?];
    Ok(Signature { parameters, returns: SqlType::Integer })
}

fn compile(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let result = physical_type(SqlType::Integer);
    let fixed = site.constant_text(0).map(|part| Finder::new(part.as_bytes()).into_owned());
    Ok(Box::new(move |arguments, _| {
        if arguments.has_null_constant() {
            return null_array(SqlType::Integer, arguments.rows);
        }
        let (parts, texts) = (arguments.text(0), arguments.text(1));
        let positions = (0..arguments.rows)
            .map(|row| {
                let text = texts.get(row).unwrap_or_default();
                let found = match &fixed {
                    Some(finder) => finder.find(text.as_bytes()),
                    None => text.find(parts.get(row).unwrap_or_default()),
                };
                found.map_or(0, |at| text[..at].chars().count() as i32 + 1)
            })
            .collect();
        primitive_array::<Int32Type>(positions, arguments.strict_nulls(), &result)
    }))
}
