//! What other dialects have and this one does not, each with the form that does the same here: functions, operators,
//! keywords.

use crate::Diagnostic;
use crate::Span;
use crate::token::TokenKind;

/// Function names in upper case, with what to write instead.
const FORMS: &[(&str, &str)] = &[
    ("TUMBLE", "GROUP BY STEP(stream.ROWTIME BY INTERVAL '1' MINUTE)"),
    (
        "TUMBLE_START",
        "select STEP(stream.ROWTIME BY INTERVAL '1' MINUTE) as GROUP BY has it: the window's start",
    ),
    ("TUMBLE_END", "select ROWTIME: the row of a window bears its end"),
    ("TUMBLE_ROWTIME", "select ROWTIME: the row of a window bears its end"),
    (
        "HOP",
        "count each hop into a stream of its own with GROUP BY STEP(stream.ROWTIME BY hop), then SUM(…) OVER (PARTITION BY \
         key RANGE INTERVAL '…' … PRECEDING) over that stream",
    ),
    ("HOP_START", "subtract the length of the window from ROWTIME"),
    ("HOP_END", "select ROWTIME"),
    (
        "SESSION",
        "WINDOWED BY STAGGER (PARTITION BY key RANGE INTERVAL '1' MINUTE): a window that its first row opens",
    ),
    ("CONCAT", "join strings with ||: a || b"),
    ("CONCAT_WS", "join strings with ||: a || ', ' || b"),
    ("STRING_AGG", "there is no aggregate of texts: FIRST_VALUE(x) and LAST_VALUE(x) give one of a group"),
    ("LISTAGG", "there is no aggregate of texts: FIRST_VALUE(x) and LAST_VALUE(x) give one of a group"),
    ("JSON_VALUE", "map the member to a column of the input: columns = 'price DOUBLE $.quote.price'"),
    ("JSON_QUERY", "map the member to a column of the input: columns = 'quote VARCHAR(256) $.quote'"),
    ("JSON_EXTRACT", "map the member to a column of the input: columns = 'price DOUBLE $.quote.price'"),
    ("GET_JSON_OBJECT", "map the member to a column of the input: columns = 'price DOUBLE $.quote.price'"),
    ("AVERAGE", "AVG(x)"),
    ("MEAN", "AVG(x)"),
    ("IFNULL", "COALESCE(x, instead)"),
    ("ISNULL", "COALESCE(x, instead), or x IS NULL"),
    ("NVL", "COALESCE(x, instead)"),
    ("NVL2", "CASE WHEN x IS NOT NULL THEN a ELSE b END"),
    ("IF", "CASE WHEN condition THEN a ELSE b END"),
    ("IIF", "CASE WHEN condition THEN a ELSE b END"),
    ("DECODE", "CASE x WHEN 1 THEN a WHEN 2 THEN b ELSE c END"),
    ("DATEDIFF", "TSDIFF(later, earlier) for milliseconds, or (later - earlier) DAY for an interval"),
    ("TIMESTAMPDIFF", "TSDIFF(later, earlier) for milliseconds, or (later - earlier) MINUTE for an interval"),
    ("DATE_DIFF", "TSDIFF(later, earlier) for milliseconds, or (later - earlier) DAY for an interval"),
    ("TIMESTAMPADD", "t + INTERVAL '1' HOUR"),
    ("DATEADD", "t + INTERVAL '1' DAY"),
    ("DATE_ADD", "t + INTERVAL '1' DAY"),
    ("DATE_SUB", "t - INTERVAL '1' DAY"),
    ("DATE_TRUNC", "FLOOR(t TO HOUR)"),
    ("TRUNC", "FLOOR(t TO DAY) of a time, FLOOR(x) of a number above 0"),
    ("DATE_PART", "EXTRACT(HOUR FROM t)"),
    ("DATEPART", "EXTRACT(HOUR FROM t)"),
    ("DATE_FORMAT", "TIMESTAMP_TO_CHAR('yyyy-MM-dd', t)"),
    ("TO_CHAR", "TIMESTAMP_TO_CHAR('yyyy-MM-dd', t), DATE_TO_CHAR or TIME_TO_CHAR"),
    ("STR_TO_DATE", "CHAR_TO_DATE('yyyy-MM-dd', text)"),
    ("TO_DATE", "CHAR_TO_DATE('yyyy-MM-dd', text)"),
    ("PARSE_TIMESTAMP", "CHAR_TO_TIMESTAMP('yyyy-MM-dd HH:mm:ss', text)"),
    ("FROM_UNIXTIME", "TO_TIMESTAMP(milliseconds)"),
    ("UNIX_TIMESTAMP_MILLIS", "UNIX_TIMESTAMP(t), which counts milliseconds"),
    ("NOW", "CURRENT_ROW_TIMESTAMP for each row, CURRENT_TIMESTAMP for the start of the query"),
    ("GETDATE", "CURRENT_ROW_TIMESTAMP for each row, CURRENT_TIMESTAMP for the start of the query"),
    ("SYSDATE", "CURRENT_ROW_TIMESTAMP for each row, CURRENT_TIMESTAMP for the start of the query"),
    ("CURDATE", "CURRENT_DATE"),
    ("CONVERT", "CAST(x AS type)"),
    ("TRY_CAST", "CAST(x AS type): a row whose text does not fit goes to error_stream"),
    ("LEN", "CHAR_LENGTH(text)"),
    ("LENGTH", "CHAR_LENGTH(text)"),
    ("SUBSTR", "SUBSTRING(text FROM 1 FOR 3)"),
    ("LEFT", "SUBSTRING(text FROM 1 FOR 3)"),
    ("RIGHT", "SUBSTRING(text FROM CHAR_LENGTH(text) - 2)"),
    ("MID", "SUBSTRING(text FROM 2 FOR 3)"),
    ("INSTR", "POSITION(part IN text)"),
    ("LOCATE", "POSITION(part IN text)"),
    ("CHARINDEX", "POSITION(part IN text)"),
    ("STRPOS", "POSITION(part IN text)"),
    ("REPLACE", "REGEX_REPLACE(text, 'what', 'by what', 1, 0)"),
    ("REGEXP_REPLACE", "REGEX_REPLACE(text, 'what', 'by what', 1, 0)"),
    ("REGEXP_EXTRACT", "SUBSTRING(text FROM 'pattern')"),
    ("REGEXP_LIKE", "text SIMILAR TO 'pattern'"),
    ("REGEXP", "text SIMILAR TO 'pattern'"),
    ("SPLIT", "VARIABLE_COLUMN_LOG_PARSE(text, 'A, B', ',') in a subquery"),
    ("SPLIT_PART", "VARIABLE_COLUMN_LOG_PARSE(text, 'A, B', ',') in a subquery"),
    ("LTRIM", "TRIM(LEADING ' ' FROM text)"),
    ("RTRIM", "TRIM(TRAILING ' ' FROM text)"),
    ("UCASE", "UPPER(text)"),
    ("LCASE", "LOWER(text)"),
    ("POW", "POWER(x, y)"),
    ("LOG", "LN(x), or LOG10(x)"),
    ("ROUND", "CAST(x AS DECIMAL(18, 2)) for 2 digits, CAST(x AS BIGINT) for none"),
    ("SIGN", "CASE WHEN x > 0 THEN 1 WHEN x < 0 THEN -1 ELSE 0 END"),
    ("GREATEST", "CASE WHEN a > b THEN a ELSE b END"),
    ("LEAST", "CASE WHEN a < b THEN a ELSE b END"),
    ("APPROX_COUNT_DISTINCT", "TABLE(COUNT_DISTINCT_ITEMS_TUMBLING(CURSOR(…), 'column', seconds))"),
    ("COUNT_IF", "SUM(CASE WHEN condition THEN 1 ELSE 0 END)"),
    ("STDEV", "STDDEV_SAMP(x)"),
    ("MEDIAN", "there are no percentiles; AVG(x), MIN(x), MAX(x) and STDDEV_SAMP(x) describe a window"),
    ("PERCENTILE", "there are no percentiles; AVG(x), MIN(x), MAX(x) and STDDEV_SAMP(x) describe a window"),
    (
        "PERCENTILE_CONT",
        "there are no percentiles; AVG(x), MIN(x), MAX(x) and STDDEV_SAMP(x) describe a window",
    ),
    (
        "PERCENTILE_DISC",
        "there are no percentiles; AVG(x), MIN(x), MAX(x) and STDDEV_SAMP(x) describe a window",
    ),
    (
        "APPROX_PERCENTILE",
        "there are no percentiles; AVG(x), MIN(x), MAX(x) and STDDEV_SAMP(x) describe a window",
    ),
    ("MODE", "TABLE(TOP_K_ITEMS_TUMBLING(CURSOR(…), 'column', 1, seconds))"),
    ("VARIANCE", "VAR_SAMP(x)"),
    ("FIRST", "FIRST_VALUE(x)"),
    ("LAST", "LAST_VALUE(x)"),
    ("LEAD", "LAG(x, n): a stream looks back, not forward"),
    ("ROW_NUMBER", "COUNT(*) OVER (PARTITION BY key ROWS UNBOUNDED PRECEDING)"),
    ("RANK", "TABLE(GROUP_RANK(CURSOR(…), 'column', 'rank', 'desc', 'asc', 0, 0))"),
    ("DENSE_RANK", "TABLE(GROUP_RANK(CURSOR(…), 'column', 'rank', 'desc', 'asc', 0, 0))"),
    ("TOP", "TABLE(TOP_K_ITEMS_TUMBLING(CURSOR(…), 'column', k, seconds))"),
];

/// What to write instead of a function that other dialects have, as a hint.
pub(crate) fn dialect_form(function: &str) -> Option<String> {
    let found = FORMS.iter().find(|(name, _)| *name == function)?;
    Some(format!("here: {}", found.1))
}

/// An operator of another dialect.
pub(crate) struct ForeignOperator {
    /// As it is written.
    pub(crate) symbol: &'static str,
    /// What to write instead.
    form: &'static str,
    /// What is read in its place, so that what stands around it is looked at, too.
    reading: &'static [Reading],
}

enum Reading {
    Symbol(&'static str),
    Word(&'static str),
}

impl ForeignOperator {
    /// The mistake of writing it.
    pub(crate) fn mistake(&self, span: Span) -> Diagnostic {
        let message = format!("{} is not part of the language", self.symbol);
        Diagnostic::error(span, message).with_hint(self.form)
    }

    /// The tokens that are read in its place.
    pub(crate) fn reading(&self) -> impl Iterator<Item = TokenKind> {
        self.reading.iter().map(|token| match token {
            Reading::Symbol(symbol) => TokenKind::Symbol(symbol),
            Reading::Word(word) => TokenKind::Word((*word).to_owned()),
        })
    }
}

/// Operators of other dialects, longer ones first.
const OPERATORS: &[ForeignOperator] = &[
    ForeignOperator { symbol: "===", form: "write =", reading: &[Reading::Symbol("=")] },
    ForeignOperator {
        symbol: "<=>",
        form: "write a IS NOT DISTINCT FROM b",
        reading: &[Reading::Symbol("=")],
    },
    ForeignOperator { symbol: "==", form: "write =", reading: &[Reading::Symbol("=")] },
    ForeignOperator { symbol: "&&", form: "write AND", reading: &[Reading::Word("AND")] },
    ForeignOperator { symbol: "**", form: "write POWER(x, y)", reading: &[Reading::Symbol("*")] },
    ForeignOperator {
        symbol: "!~",
        form: "write NOT text SIMILAR TO 'pattern'",
        reading: &[Reading::Symbol("<>")],
    },
    ForeignOperator {
        symbol: "=~",
        form: "write text SIMILAR TO 'pattern'",
        reading: &[Reading::Symbol("=")],
    },
    ForeignOperator { symbol: "::", form: "write CAST(x AS type)", reading: &[] },
    ForeignOperator {
        symbol: "~",
        form: "write text SIMILAR TO 'pattern'",
        reading: &[Reading::Symbol("=")],
    },
    ForeignOperator { symbol: "%", form: "write MOD(x, y)", reading: &[Reading::Symbol("*")] },
    ForeignOperator { symbol: "^", form: "write POWER(x, y)", reading: &[Reading::Symbol("*")] },
    ForeignOperator { symbol: "!", form: "write NOT", reading: &[Reading::Word("NOT")] },
];

/// The operator of another dialect that a text begins with.
pub(crate) fn foreign_operator(text: &str) -> Option<&'static ForeignOperator> {
    OPERATORS.iter().find(|operator| text.starts_with(operator.symbol))
}

/// Comparisons of other dialects that are words, and what to write instead.
const COMPARISONS: &[(&str, &str)] = &[
    ("ILIKE", "compare in one case: LOWER(text) LIKE 'abc%'"),
    ("RLIKE", "write text SIMILAR TO 'pattern'"),
    ("REGEXP", "write text SIMILAR TO 'pattern'"),
    ("MATCHES", "write text SIMILAR TO 'pattern'"),
    ("GLOB", "write text LIKE 'abc%'"),
];

/// What to write instead of a comparison of another dialect, as a hint.
pub(crate) fn foreign_comparison(word: &str) -> Option<&'static str> {
    COMPARISONS.iter().find(|(name, _)| *name == word).map(|(_, form)| *form)
}

/// The mistake of a clause behind a query, or before its columns, that another dialect has; `None` for other words.
pub(crate) fn foreign_clause(word: &str, span: Span) -> Option<Diagnostic> {
    let (message, hint) = match word {
        "LIMIT" | "FETCH" | "OFFSET" | "TOP" => (
            format!("{word} is not part of the language: the rows of a stream do not end"),
            "the most frequent values of a window: TABLE(TOP_K_ITEMS_TUMBLING(CURSOR(…), 'column', k, seconds)); the \
             first rows of one ROWTIME by rank: TABLE(GROUP_RANK(CURSOR(…), 'column', 'rank', 'desc', 'asc', 0, k))",
        ),
        "EMIT" => (
            "EMIT is not part of the language".to_owned(),
            "remove it: a window gives its rows when it has passed",
        ),
        "QUALIFY" => (
            "QUALIFY is not part of the language".to_owned(),
            "filter in an outer query: SELECT STREAM … FROM (SELECT STREAM …) AS q WHERE …",
        ),
        _ => return None,
    };
    Some(Diagnostic::error(span, message).with_hint(hint))
}
