//! Pumps, operators and what they are made of.

use super::expressions::words;
use super::lag;
use super::text::{Describe, Text, fields, tuple};
use millstream_sql::{
    AggregateCall, AggregateFunction, Argument, Column, Frame, GroupDriver, GroupRankCall, HotspotsCall,
    JoinSide, LogParserCall, Matching, Node, NodeKind, Output, Projection, Pump, RandomCutForestCall,
    RankOrder, RecordField, SetOperation, SlidingWindow, SortBucket, SortColumn, StreamId, SubqueryValue,
    TableFunction, TableId, WindowCall, WindowFunction,
};

impl Describe for Pump {
    fn describe(&self, text: &mut Text<'_>) {
        let Pump { name, target, started, query } = self;
        fields!(text, "Pump", "name": name, "target": target, "started": started, "query": query);
    }
}

impl Describe for StreamId {
    fn describe(&self, text: &mut Text<'_>) {
        match text.program().and_then(|program| program.streams.get(self.0)) {
            Some(stream) => tuple!(text, "Stream", &stream.name, &stream.columns),
            None => tuple!(text, "StreamId", &self.0),
        }
    }
}

impl Describe for TableId {
    fn describe(&self, text: &mut Text<'_>) {
        match text.program().and_then(|program| program.tables.get(self.0)) {
            Some(table) => tuple!(text, "Table", &table.name, &table.columns),
            None => tuple!(text, "TableId", &self.0),
        }
    }
}

impl Describe for Column {
    fn describe(&self, text: &mut Text<'_>) {
        let Column { name, sql_type, not_null } = self;
        if text.program().is_some() {
            fields!(text, "Column", "name": name, "sql_type": sql_type);
        } else {
            fields!(text, "Column", "name": name, "sql_type": sql_type, "not_null": not_null);
        }
    }
}

impl Describe for Node {
    fn describe(&self, text: &mut Text<'_>) {
        let Node { kind, output } = self;
        fields!(text, "Node", "kind": kind, "output": output);
    }
}

/// Within a plan columns go by number: their names are only shown.
impl Describe for Output {
    fn describe(&self, text: &mut Text<'_>) {
        let Output { name, sql_type } = self;
        if text.program().is_some() {
            sql_type.describe(text);
        } else {
            fields!(text, "Output", "name": name, "sql_type": sql_type);
        }
    }
}

impl Describe for NodeKind {
    fn describe(&self, text: &mut Text<'_>) {
        use NodeKind as K;
        match self {
            K::Source(stream) => tuple!(text, "Source", stream),
            K::Table(table) => tuple!(text, "Table", table),
            K::Values(rows) => tuple!(text, "Values", rows),
            K::Union { inputs } => fields!(text, "Union", "inputs": inputs),
            K::SetOperation { operation, left, right } => {
                fields!(text, "SetOperation", "operation": operation, "left": left, "right": right);
            }
            K::Join { left, right, matching } => {
                fields!(text, "Join", "left": left, "right": right, "matching": matching);
            }
            K::Subquery { input, relation, value } => {
                fields!(text, "Subquery", "input": input, "relation": relation, "value": value);
            }
            K::Lookup { input, relation, matching, preserves_input } => fields!(
                text, "Lookup", "input": input, "relation": relation, "matching": matching,
                "preserves_input": preserves_input
            ),
            K::Filter { input, predicate } => {
                fields!(text, "Filter", "input": input, "predicate": predicate);
            }
            K::Project { input, projection } => {
                fields!(text, "Project", "input": input, "projection": projection);
            }
            K::Tumble { input, keys, driver, aggregates } => fields!(
                text, "Tumble", "input": input, "keys": keys, "driver": driver, "aggregates": aggregates
            ),
            K::Stagger { input, keys, range, aggregates } => fields!(
                text, "Stagger", "input": input, "keys": keys, "range": range, "aggregates": aggregates
            ),
            K::Slide { input, windows, calls } => {
                fields!(text, "Slide", "input": input, "windows": windows, "calls": calls);
            }
            K::ParseLog { input, call } => fields!(text, "ParseLog", "input": input, "call": call),
            K::Distinct { input, columns, moving } => {
                fields!(text, "Distinct", "input": input, "columns": columns, "moving": moving);
            }
            K::Sort { input, keys, bucket } => {
                fields!(text, "Sort", "input": input, "keys": keys, "bucket": bucket);
            }
            K::TimeSort { input, column, keys, interval } => fields!(
                text, "TimeSort", "input": input, "column": column, "keys": keys, "interval": interval
            ),
            K::TableFunction { input, function } => {
                fields!(text, "TableFunction", "input": input, "function": function);
            }
        }
    }
}

impl Describe for JoinSide {
    fn describe(&self, text: &mut Text<'_>) {
        let JoinSide { input, window, expiries, preserved } = self;
        fields!(
            text, "JoinSide", "input": input, "window": window, "expiries": expiries, "preserved": preserved
        );
    }
}

impl Describe for Matching {
    fn describe(&self, text: &mut Text<'_>) {
        let Matching { keys, condition } = self;
        fields!(text, "Matching", "keys": keys, "condition": condition);
    }
}

impl Describe for SubqueryValue {
    fn describe(&self, text: &mut Text<'_>) {
        match self {
            SubqueryValue::Scalar => text.push("Scalar"),
            SubqueryValue::Exists => text.push("Exists"),
            SubqueryValue::In(operand) => tuple!(text, "In", operand),
        }
    }
}

impl Describe for SortColumn {
    fn describe(&self, text: &mut Text<'_>) {
        let SortColumn { column, descending, nulls_first } = self;
        fields!(
            text, "SortColumn", "column": column, "descending": descending, "nulls_first": nulls_first
        );
    }
}

impl Describe for SortBucket {
    fn describe(&self, text: &mut Text<'_>) {
        match self {
            SortBucket::Rowtime => text.push("Rowtime"),
            SortBucket::Periodic { period, offset } => {
                fields!(text, "Periodic", "period": period, "offset": offset);
            }
            SortBucket::Key(key) => tuple!(text, "Key", key),
            SortBucket::Value { column } => fields!(text, "Value", "column": column),
            SortBucket::Window => text.push("Window"),
        }
    }
}

impl Describe for Projection {
    fn describe(&self, text: &mut Text<'_>) {
        let Projection { expressions, rowtime } = self;
        fields!(text, "Projection", "expressions": expressions, "rowtime": rowtime);
    }
}

impl Describe for GroupDriver {
    fn describe(&self, text: &mut Text<'_>) {
        match self {
            GroupDriver::Periodic { key, period, offset } => {
                fields!(text, "Periodic", "key": key, "period": period, "offset": offset);
            }
            GroupDriver::Rowtime { key } => fields!(text, "Rowtime", "key": key),
            GroupDriver::Value { key } => fields!(text, "Value", "key": key),
        }
    }
}

impl Describe for AggregateCall {
    fn describe(&self, text: &mut Text<'_>) {
        let AggregateCall { function, argument, distinct, sql_type } = self;
        fields!(
            text, "AggregateCall", "function": function, "argument": argument, "distinct": distinct,
            "sql_type": sql_type
        );
    }
}

impl Describe for AggregateFunction {
    fn describe(&self, text: &mut Text<'_>) {
        text.push(match self {
            AggregateFunction::Count => "Count",
            AggregateFunction::Sum => "Sum",
            AggregateFunction::Avg => "Avg",
            AggregateFunction::Min => "Min",
            AggregateFunction::Max => "Max",
            AggregateFunction::StddevPop => "StddevPop",
            AggregateFunction::StddevSamp => "StddevSamp",
            AggregateFunction::VarPop => "VarPop",
            AggregateFunction::VarSamp => "VarSamp",
            AggregateFunction::Any => "Any",
            AggregateFunction::Every => "Every",
            AggregateFunction::FirstValue { ignore_nulls } => {
                fields!(text, "FirstValue", "ignore_nulls": ignore_nulls);
                return;
            }
            AggregateFunction::LastValue { ignore_nulls } => {
                fields!(text, "LastValue", "ignore_nulls": ignore_nulls);
                return;
            }
        });
    }
}

impl Describe for SlidingWindow {
    fn describe(&self, text: &mut Text<'_>) {
        let SlidingWindow { partition, frame } = self;
        fields!(text, "SlidingWindow", "partition": partition, "frame": frame);
    }
}

impl Describe for Frame {
    fn describe(&self, text: &mut Text<'_>) {
        match self {
            Frame::Range { millis } => fields!(text, "Range", "millis": millis),
            Frame::Rows { rows } => fields!(text, "Rows", "rows": rows),
            Frame::Unbounded => text.push("Unbounded"),
        }
    }
}

impl Describe for WindowCall {
    fn describe(&self, text: &mut Text<'_>) {
        let WindowCall { function, argument, distinct, window, sql_type } = self;
        fields!(
            text, "WindowCall", "function": function, "argument": argument, "distinct": distinct,
            "window": window, "sql_type": sql_type
        );
    }
}

impl Describe for WindowFunction {
    fn describe(&self, text: &mut Text<'_>) {
        match self {
            WindowFunction::Aggregate(function) => tuple!(text, "Aggregate", function),
            WindowFunction::FirstValue { ignore_nulls } => {
                fields!(text, "FirstValue", "ignore_nulls": ignore_nulls);
            }
            WindowFunction::LastValue { ignore_nulls } => {
                fields!(text, "LastValue", "ignore_nulls": ignore_nulls);
            }
            WindowFunction::NthValue { n, from_last, ignore_nulls } => {
                fields!(text, "NthValue", "n": n, "from_last": from_last, "ignore_nulls": ignore_nulls);
            }
            WindowFunction::Lag { offset, default, ignore_nulls } => {
                lag::describe(text, offset, default.as_deref(), *ignore_nulls);
            }
            WindowFunction::ExpAvg { half_life } => fields!(text, "ExpAvg", "half_life": half_life),
        }
    }
}

impl Describe for TableFunction {
    fn describe(&self, text: &mut Text<'_>) {
        match self {
            TableFunction::CountDistinctItems { column, period } => {
                fields!(text, "CountDistinctItems", "column": column, "period": period);
            }
            TableFunction::TopItems { column, k, period } => {
                fields!(text, "TopItems", "column": column, "k": k, "period": period);
            }
            TableFunction::GroupRank(call) => tuple!(text, "GroupRank", call),
            TableFunction::Hotspots(call) => tuple!(text, "Hotspots", call),
            TableFunction::RandomCutForest(call) => tuple!(text, "RandomCutForest", call),
        }
    }
}

impl Describe for RandomCutForestCall {
    fn describe(&self, text: &mut Text<'_>) {
        let RandomCutForestCall {
            columns,
            number_of_trees,
            sub_sample_size,
            time_decay,
            shingle_size,
            explanation,
        } = self;
        fields!(
            text, "RandomCutForestCall", "columns": columns, "number_of_trees": number_of_trees,
            "sub_sample_size": sub_sample_size, "time_decay": time_decay, "shingle_size": shingle_size,
            "explanation": explanation
        );
    }
}

impl Describe for GroupRankCall {
    fn describe(&self, text: &mut Text<'_>) {
        let GroupRankCall { key, output, output_max } = self;
        fields!(text, "GroupRankCall", "key": key, "output": output, "output_max": output_max);
    }
}

impl Describe for HotspotsCall {
    fn describe(&self, text: &mut Text<'_>) {
        let HotspotsCall { columns, window_size, scan_radius, minimum_points } = self;
        fields!(
            text, "HotspotsCall", "columns": columns, "window_size": window_size, "scan_radius": scan_radius,
            "minimum_points": minimum_points
        );
    }
}

impl Describe for LogParserCall {
    fn describe(&self, out: &mut Text<'_>) {
        let LogParserCall { function, text, arguments, fields } = self;
        fields!(
            out, "LogParserCall", "function": function, "text": text, "arguments": arguments, "fields": fields
        );
    }
}

impl Describe for Argument {
    fn describe(&self, text: &mut Text<'_>) {
        let Argument { sql_type, literal } = self;
        fields!(text, "Argument", "sql_type": sql_type, "literal": literal);
    }
}

impl Describe for RecordField {
    fn describe(&self, text: &mut Text<'_>) {
        let RecordField { name, sql_type, format, not_null } = self;
        fields!(
            text, "RecordField", "name": name, "sql_type": sql_type, "format": format, "not_null": not_null
        );
    }
}

words! {
    SetOperation { UnionAll: "UnionAll", Union: "Union", Except: "Except", Intersect: "Intersect" }
    RankOrder { Ascending: "Ascending", Descending: "Descending" }
}
