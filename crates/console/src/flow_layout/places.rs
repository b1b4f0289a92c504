//! Rows for the stages of each column, and the ways of the arrows.

use super::{Arrow, FlowLayout, Measures, layers::Layering};

/// Passes over the columns, to and fro, that order them.
const ORDERING_PASSES: usize = 9;
/// Passes that move the rows towards the mean of their neighbours.
const STRAIGHTENING_PASSES: usize = 24;
/// The height of the lane of an arrow that leads back.
const LANE: f64 = 14.0;

/// A node or a placeholder of an arrow in a column that it crosses.
struct Cell {
    column: usize,
    /// The middle of its height.
    middle: f64,
    height: f64,
    before: Vec<usize>,
    after: Vec<usize>,
}

/// Places the nodes and draws the ways.
pub(super) fn place(count: usize, layering: &Layering, measures: Measures) -> FlowLayout {
    let mut cells: Vec<Cell> = layering
        .column_of
        .iter()
        .map(|column| Cell {
            column: *column,
            middle: 0.0,
            height: measures.box_height,
            before: Vec::new(),
            after: Vec::new(),
        })
        .collect();
    let ways: Vec<Vec<usize>> =
        layering.forward.iter().map(|edge| way_through_columns(&mut cells, *edge)).collect();
    let mut columns = vec![Vec::new(); cells.iter().map(|cell| cell.column + 1).max().unwrap_or(0)];
    for (index, cell) in cells.iter().enumerate() {
        columns[cell.column].push(index);
    }
    order_rows(&mut columns, &cells);
    set_rows(&columns, &mut cells, measures.row_gap);

    let top = cells.iter().map(|cell| cell.middle - cell.height / 2.0).fold(f64::INFINITY, f64::min);
    let top = if top.is_finite() { top } else { 0.0 };
    for cell in &mut cells {
        cell.middle += measures.margin - top;
    }
    let left_of =
        |column: usize| measures.margin + column as f64 * (measures.box_width + measures.column_gap);
    let bottom = cells.iter().map(|cell| cell.middle + cell.height / 2.0).fold(0.0, f64::max);

    let mut arrows: Vec<Arrow> = ways
        .iter()
        .zip(&layering.forward)
        .map(|(way, (from, to))| Arrow {
            from: *from,
            to: *to,
            way: points_of(way, &cells, left_of, measures),
            is_backward: false,
        })
        .collect();
    for (lane, (from, to)) in layering.backward.iter().enumerate() {
        let below = bottom + LANE * (lane + 1) as f64;
        let half = measures.box_width / 2.0;
        let (source, target) = (&cells[*from], &cells[*to]);
        // A stage that feeds itself leaves and enters at different places.
        let (start, end) = (left_of(source.column) + half + 12.0, left_of(target.column) + half - 12.0);
        let way = vec![
            (start, source.middle + source.height / 2.0),
            (start, below),
            (end, below),
            (end, target.middle + target.height / 2.0),
        ];
        arrows.push(Arrow { from: *from, to: *to, way, is_backward: true });
    }
    let lanes = LANE * layering.backward.len() as f64;
    FlowLayout {
        corners: cells[..count]
            .iter()
            .map(|cell| (left_of(cell.column), cell.middle - cell.height / 2.0))
            .collect(),
        arrows,
        width: left_of(columns.len().max(1) - 1) + measures.box_width + measures.margin,
        height: bottom + lanes + measures.margin,
    }
}

/// Puts a placeholder into every column between the ends of an edge; the cells from end to end.
fn way_through_columns(cells: &mut Vec<Cell>, (from, to): (usize, usize)) -> Vec<usize> {
    let mut way = vec![from];
    for column in cells[from].column + 1..cells[to].column {
        way.push(cells.len());
        cells.push(Cell { column, middle: 0.0, height: 10.0, before: Vec::new(), after: Vec::new() });
    }
    way.push(to);
    for pair in way.windows(2) {
        cells[pair[0]].after.push(pair[1]);
        cells[pair[1]].before.push(pair[0]);
    }
    way
}

/// Orders each column by the mean place of its neighbours in the column before, then after, and so on; keeps the order
/// with the fewest crossings.
fn order_rows(columns: &mut Vec<Vec<usize>>, cells: &[Cell]) {
    let mut place_of = vec![0.0; cells.len()];
    columns.iter().for_each(|column| note_places(column, &mut place_of));
    let mut best = (crossings(columns, cells, &place_of), columns.clone());
    for pass in 0..ORDERING_PASSES {
        let is_forth = pass % 2 == 0;
        for step in 0..columns.len() {
            let column = if is_forth { step } else { columns.len() - 1 - step };
            let wanted = |cell: &usize| {
                let neighbours = if is_forth { &cells[*cell].before } else { &cells[*cell].after };
                mean(neighbours.iter().map(|neighbour| place_of[*neighbour])).unwrap_or(place_of[*cell])
            };
            let mut ordered: Vec<(f64, usize)> =
                columns[column].iter().map(|cell| (wanted(cell), *cell)).collect();
            ordered.sort_by(|a, b| a.0.total_cmp(&b.0));
            columns[column] = ordered.into_iter().map(|(_, cell)| cell).collect();
            note_places(&columns[column], &mut place_of);
        }
        let found = crossings(columns, cells, &place_of);
        if found < best.0 {
            best = (found, columns.clone());
        }
    }
    *columns = best.1;
}

/// Notes where the cells of a column stand, as a part of its height.
fn note_places(column: &[usize], place_of: &mut [f64]) {
    for (place, cell) in column.iter().enumerate() {
        place_of[*cell] = (place as f64 + 0.5) / column.len() as f64;
    }
}

/// How many pairs of arrows cross between neighbouring columns. Cost: the square of the arrows between two columns.
fn crossings(columns: &[Vec<usize>], cells: &[Cell], place_of: &[f64]) -> usize {
    let mut crossings = 0;
    for column in columns {
        let arrows: Vec<(f64, f64)> = column
            .iter()
            .flat_map(|from| cells[*from].after.iter().map(|to| (place_of[*from], place_of[*to])))
            .collect();
        for (index, (from, to)) in arrows.iter().enumerate() {
            let crosses = |other: &&(f64, f64)| {
                (from < &other.0 && to > &other.1) || (from > &other.0 && to < &other.1)
            };
            crossings += arrows[index + 1..].iter().filter(crosses).count();
        }
    }
    crossings
}

/// Sets the rows: every cell goes towards the mean of its neighbours, and then the cells of a column make room.
fn set_rows(columns: &[Vec<usize>], cells: &mut [Cell], gap: f64) {
    for column in columns {
        let mut top = 0.0;
        for cell in column {
            cells[*cell].middle = top + cells[*cell].height / 2.0;
            top += cells[*cell].height + gap;
        }
        column.iter().for_each(|cell| cells[*cell].middle -= top / 2.0);
    }
    for pass in 0..STRAIGHTENING_PASSES {
        // The last pass goes forth and looks back only: what has one source then stands level with it.
        let is_last = pass + 1 == STRAIGHTENING_PASSES;
        for step in 0..columns.len() {
            let column =
                if pass % 2 == 0 || is_last { &columns[step] } else { &columns[columns.len() - 1 - step] };
            let wanted: Vec<f64> = column
                .iter()
                .map(|cell| {
                    let cell = &cells[*cell];
                    let after = if is_last { &[][..] } else { &cell.after };
                    let neighbours = cell.before.iter().chain(after);
                    mean(neighbours.map(|neighbour| cells[*neighbour].middle)).unwrap_or(cell.middle)
                })
                .collect();
            for (cell, middle) in column.iter().zip(make_room(column, &wanted, cells, gap)) {
                cells[*cell].middle = middle;
            }
        }
    }
}

/// The middles closest to the wanted ones, in the same order, without overlap: neighbours that overlap join a block that
/// stands where its members want it on average (isotonic regression by pooling).
fn make_room(column: &[usize], wanted: &[f64], cells: &[Cell], gap: f64) -> Vec<f64> {
    /// Cells that touch: how many, and the sum of where they want its first middle to be.
    struct Block {
        members: usize,
        sum: f64,
    }
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(column.len());
    for (index, cell) in column.iter().enumerate() {
        if index > 0 {
            offset += (cells[column[index - 1]].height + cells[*cell].height) / 2.0 + gap;
        }
        offsets.push(offset);
    }
    let mut blocks: Vec<Block> = Vec::new();
    for (index, middle) in wanted.iter().enumerate() {
        blocks.push(Block { members: 1, sum: middle - offsets[index] });
        while let [.., before, last] = blocks.as_slice() {
            if before.sum / (before.members as f64) < last.sum / last.members as f64 {
                break;
            }
            let joined = Block { members: before.members + last.members, sum: before.sum + last.sum };
            blocks.truncate(blocks.len() - 2);
            blocks.push(joined);
        }
    }
    let starts =
        blocks.iter().flat_map(|block| std::iter::repeat_n(block.sum / block.members as f64, block.members));
    starts.zip(offsets).map(|(start, offset)| start + offset).collect()
}

/// The way of an arrow in pixels: out of its source, level through every column it crosses, into its target.
fn points_of(
    way: &[usize],
    cells: &[Cell],
    left_of: impl Fn(usize) -> f64,
    measures: Measures,
) -> Vec<(f64, f64)> {
    let mut points = Vec::with_capacity(2 * way.len());
    for (place, cell) in way.iter().enumerate() {
        let cell = &cells[*cell];
        if place > 0 {
            points.push((left_of(cell.column), cell.middle));
        }
        if place + 1 < way.len() {
            points.push((left_of(cell.column) + measures.box_width, cell.middle));
        }
    }
    points
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_usize, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}
