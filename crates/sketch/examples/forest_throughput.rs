//! Prints the throughput of the random cut forest: `cargo run --release -p millstream-sketch --example forest_throughput`.

#[expect(clippy::print_stdout, reason = "the result of the program")]
fn main() {
    println!("{:#?}", millstream_sketch::bench::random_cut_forest(8.0));
}
