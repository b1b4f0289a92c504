//! Prints the throughput of the default model: `cargo run --release -p millstream-bench --example model`.

use millstream_inference::bench;

#[expect(clippy::print_stdout, reason = "the result of the program")]
fn main() {
    let (time, model) = bench::loading().expect("the embedded model loads");
    println!("loaded in {time:?}");
    println!("{:#?}", bench::model(&model, 12.0));
}
