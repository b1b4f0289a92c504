//! Memory that a program takes whatever rows come: forests and other sketches. It is known before anything runs, and taken
//! off the memory limit before that is shared out.

use super::ApplicationSettings;
use crate::compile_error::MemoryShortage;
use crate::operators::forest_settings;
use millstream_sql::{HotspotsCall, Node, NodeKind, Program, TableFunction};

/// Bytes of a counter of distinct items: its largest exact set, half empty, or its sketch, and the items met of late.
const COUNTER_BYTES: u64 = 1 << 20;

/// Whether the forests and other sketches of a program fit its memory limit.
///
/// # Errors
/// When they do not, with the numbers and the way out.
pub fn check_memory(program: &Program, settings: &ApplicationSettings) -> Result<(), MemoryShortage> {
    let by_pump = by_pump(program, settings);
    let all = fixed_memory(program, settings);
    if settings.memory_limit == 0 || all <= settings.memory_limit {
        return Ok(());
    }
    let most = by_pump.into_iter().max_by_key(|(_, bytes, _)| *bytes);
    let (pump, needed, what) = most.unwrap_or_default();
    Err(MemoryShortage { pump, what, needed, all, limit: settings.memory_limit })
}

/// Bytes that the forests and other sketches of a program take, as they are counted for the memory limit.
pub fn fixed_memory(program: &Program, settings: &ApplicationSettings) -> u64 {
    by_pump(program, settings).into_iter().map(|(_, bytes, _)| bytes).fold(0, u64::saturating_add)
}

fn by_pump(program: &Program, settings: &ApplicationSettings) -> Vec<(String, u64, &'static str)> {
    let starts = |started: bool| started || settings.switches.pump_stopped_autostart;
    let pumps = program.pumps.iter().filter(|pump| starts(pump.started));
    let of_pump = |query: &Node| {
        let (mut bytes, mut what) = (0_u64, "");
        query.walk(&mut |node| {
            let (of_node, name) = of_node(node);
            bytes = bytes.saturating_add(of_node);
            if of_node > 0 {
                what = name;
            }
        });
        (bytes, what)
    };
    pumps
        .map(|pump| {
            let (bytes, what) = of_pump(&pump.query);
            (pump.name.clone(), bytes, what)
        })
        .collect()
}

fn of_node(node: &Node) -> (u64, &'static str) {
    let NodeKind::TableFunction { function, .. } = &node.kind else { return (0, "") };
    match function {
        TableFunction::RandomCutForest(call) => {
            (forest_settings(call, 0).memory_bytes(), "random cut forest")
        }
        TableFunction::Hotspots(call) => (hotspots_bytes(call), "points of HOTSPOTS"),
        TableFunction::CountDistinctItems { .. } => (COUNTER_BYTES, "counter of distinct items"),
        TableFunction::TopItems { .. } | TableFunction::GroupRank(_) => (0, ""),
    }
}

/// Points, and what is known of each.
fn hotspots_bytes(call: &HotspotsCall) -> u64 {
    (call.window_size as u64).saturating_mul(8 * call.columns.len() as u64 + 64)
}
