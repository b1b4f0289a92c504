//! `MOD(a, b)`: the remainder of the division that truncates, with the sign of `a`. Whole numbers only.

use crate::expression::CompileError;
use crate::expression::datum::{Kernel, checked_binary};
use crate::functions::{CallSite, Function, signature};
use arrow_array::types::{Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type};
use millstream_columns::{RowError, physical_type};
use millstream_sql::{Argument, Signature, SignatureError, SqlType};

pub(super) const FUNCTIONS: &[Function] =
    &[Function { name: "MOD", signature, compile, can_fail: true, uses_clock: false }];

fn signature(arguments: &[Argument]) -> Result<Signature, SignatureError> {
    signature::count(arguments, 2..=2, "2")?;
    let mut types = [SqlType::Integer; 2];
    for (index, sql_type) in types.iter_mut().enumerate() {
        *sql_type = signature::number(arguments, index)?;
        let whole = sql_type.is_integer() || matches!(sql_type, SqlType::Decimal { scale: 0, .. });
        if !whole {
            let message =
                format!("it takes whole numbers (scale 0), and this is {sql_type}; CAST it to BIGINT first");
            return Err(SignatureError::ArgumentValue { index, message });
        }
    }
    let [left, right] = types;
    let returns = right;
    let widest = SqlType::Decimal { precision: 38, scale: 0 };
    let parameter = if left.is_integer() && right.is_integer() { SqlType::BigInt } else { widest };
    Ok(Signature { parameters: vec![parameter; 2], returns })
}

fn compile(site: &CallSite<'_>) -> Result<Kernel, CompileError> {
    let result = physical_type(site.returns);
    macro_rules! remainder {
        ($source:ty, $target:ty, $native:ty) => {
            Box::new(move |arguments, errors| {
                checked_binary::<$source, $source, $target>(
                    arguments,
                    &result,
                    errors,
                    |left, right| match left.checked_rem(right) {
                        Some(value) => (value as $native, false),
                        None => (0, right == 0),
                    },
                    |_, _| RowError::division_by_zero(),
                )
            })
        };
    }
    let kernel: Kernel = match (site.parameters[0], site.returns) {
        (SqlType::BigInt, SqlType::TinyInt) => remainder!(Int64Type, Int8Type, i8),
        (SqlType::BigInt, SqlType::SmallInt) => remainder!(Int64Type, Int16Type, i16),
        (SqlType::BigInt, SqlType::Integer) => remainder!(Int64Type, Int32Type, i32),
        (SqlType::BigInt, SqlType::BigInt) => remainder!(Int64Type, Int64Type, i64),
        (SqlType::Decimal { .. }, SqlType::TinyInt) => remainder!(Decimal128Type, Int8Type, i8),
        (SqlType::Decimal { .. }, SqlType::SmallInt) => remainder!(Decimal128Type, Int16Type, i16),
        (SqlType::Decimal { .. }, SqlType::Integer) => remainder!(Decimal128Type, Int32Type, i32),
        (SqlType::Decimal { .. }, SqlType::BigInt) => remainder!(Decimal128Type, Int64Type, i64),
        (SqlType::Decimal { .. }, SqlType::Decimal { .. }) => {
            remainder!(Decimal128Type, Decimal128Type, i128)
        }
        _ => return Err(site.wrong_types("MOD")),
    };
    Ok(kernel)
}
