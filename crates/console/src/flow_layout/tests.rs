//! The picture holds for flows of any shape.

use super::{FlowLayout, Measures, edges, lay_out};

const MEASURES: Measures =
    Measures { box_width: 100.0, box_height: 50.0, column_gap: 40.0, row_gap: 10.0, margin: 5.0 };

/// Draws a flow given as `name: fed, fed` lines, checks the invariants, and gives the picture.
fn draw(flow: &[(&str, &[&str])]) -> FlowLayout {
    let names: Vec<&str> = flow.iter().map(|(name, _)| *name).collect();
    let feeds: Vec<Vec<&str>> = flow.iter().map(|(_, feeds)| feeds.to_vec()).collect();
    let layout = lay_out(names.len(), &edges(&names, &feeds), MEASURES);
    for (index, (x, y)) in layout.corners.iter().enumerate() {
        assert!(*x >= 0.0 && x + MEASURES.box_width <= layout.width, "{layout:?}");
        assert!(*y >= 0.0 && y + MEASURES.box_height <= layout.height, "{layout:?}");
        for (other_x, other_y) in &layout.corners[index + 1..] {
            let is_apart =
                (x - other_x).abs() >= MEASURES.box_width || (y - other_y).abs() >= MEASURES.box_height;
            assert!(is_apart, "boxes overlap: {layout:?}");
        }
    }
    for arrow in &layout.arrows {
        assert!(arrow.way.len() >= 2);
        let is_inside =
            |(x, y): &(f64, f64)| (0.0..=layout.width).contains(x) && (0.0..=layout.height).contains(y);
        assert!(arrow.way.iter().all(is_inside), "{arrow:?} leaves {} × {}", layout.width, layout.height);
    }
    layout
}

#[test]
fn nothing_is_an_empty_picture() {
    let layout = draw(&[]);
    assert!(layout.corners.is_empty() && layout.arrows.is_empty());
}

#[test]
fn a_chain_is_a_level_row() {
    let layout = draw(&[("a", &["b"]), ("b", &["c"]), ("c", &[])]);
    let rows: Vec<f64> = layout.corners.iter().map(|corner| corner.1).collect();
    assert_eq!(rows, [5.0, 5.0, 5.0]);
    assert!(layout.corners.is_sorted_by(|a, b| a.0 < b.0));
}

#[test]
fn long_arrows_pass_beside_the_boxes() {
    let layout = draw(&[("a", &["b", "d"]), ("b", &["c"]), ("c", &["d"]), ("d", &[])]);
    let Some(long) = layout.arrows.iter().find(|arrow| (arrow.from, arrow.to) == (0, 3)) else {
        panic!("{layout:?}")
    };
    for (x, y) in &long.way[1..long.way.len() - 1] {
        let is_in_a_box = |(left, top): &(f64, f64)| {
            *x >= *left && *x <= left + MEASURES.box_width && *y > *top && *y < top + MEASURES.box_height
        };
        assert!(!layout.corners[1..3].iter().any(is_in_a_box), "{layout:?}");
    }
}

#[test]
fn branches_do_not_cross() {
    // Declared crosswise: the order must be fixed.
    let layout = draw(&[("source", &["a", "b"]), ("a", &["x"]), ("b", &["y"]), ("y", &[]), ("x", &[])]);
    let row = |index: usize| layout.corners[index].1;
    assert_eq!(row(1) < row(2), row(4) < row(3), "{layout:?}");
}

#[test]
fn ends_make_way_for_branches_that_go_on() {
    let flow: [(&str, &[&str]); 9] = [
        ("source", &["score", "backup", "watch"]),
        ("score", &["model", "objects"]),
        ("model", &[]),
        ("objects", &[]),
        ("backup", &[]),
        ("watch", &["first", "second"]),
        ("first", &["metric"]),
        ("second", &["metric"]),
        ("metric", &[]),
    ];
    let layout = draw(&flow);
    let row = |index: usize| layout.corners[index].1;
    let (ends, goes_on) = ([row(2), row(3)], [row(6), row(7)]);
    let is_above = |one: &[f64], other: &[f64]| one.iter().all(|row| other.iter().all(|below| row < below));
    assert!(is_above(&ends, &goes_on) || is_above(&goes_on, &ends), "arrows cross: {layout:?}");
}

#[test]
fn circles_are_led_back_below() {
    let layout = draw(&[("a", &["b"]), ("b", &["c"]), ("c", &["a", "c"])]);
    let back: Vec<(usize, usize)> =
        layout.arrows.iter().filter(|arrow| arrow.is_backward).map(|arrow| (arrow.from, arrow.to)).collect();
    assert_eq!(back, [(2, 0), (2, 2)]);
}

#[test]
fn unknown_and_doubled_names_do_no_harm() {
    let layout = draw(&[("a", &["b", "b", "nowhere"]), ("b", &[]), ("b", &[])]);
    assert_eq!(layout.arrows.len(), 1);
    assert_eq!(layout.corners.len(), 3);
}

#[test]
fn any_small_flow_gives_a_picture() {
    // All graphs with three nodes.
    let names = ["a", "b", "c"];
    for bits in 0..512_u32 {
        let feeds = |from: usize| -> Vec<&str> {
            (0..3).filter(|to| bits >> (from * 3 + to) & 1 == 1).map(|to| names[to]).collect()
        };
        draw(&[("a", &feeds(0)), ("b", &feeds(1)), ("c", &feeds(2))]);
    }
}

#[test]
fn a_large_flow_stays_quick() {
    let names: Vec<String> = (0..60).map(|index| format!("stage {index}")).collect();
    let feeds: Vec<Vec<&str>> =
        (0..60).map(|from| (1..6).map(|step| names[(from * step + step) % 60].as_str()).collect()).collect();
    let flow: Vec<(&str, &[&str])> =
        names.iter().map(String::as_str).zip(feeds.iter().map(Vec::as_slice)).collect();
    draw(&flow);
}
