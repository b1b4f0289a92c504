//! Every command and flag, with its help.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use millstream_control::definition::Kind;
use millstream_control::pipeline::Period;
use millstream_control::replay::{LEAST_RATE, parse_instant};

use crate::logging::Logging;
use crate::version::VERSION;

/// The data directory of everything but the demo.
pub(crate) const DATA_DIRECTORY: &str = "millstream-data";
/// Names another one.
pub(crate) const DATA_DIRECTORY_VARIABLE: &str = "MILLSTREAM_DATA_DIR";
/// The data directory of the demo.
pub(crate) const DEMO_DATA_DIRECTORY: &str = "millstream-demo";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Streaming analytics and machine learning applications in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "millstream",
    version = VERSION,
    styles = STYLES,
    arg_required_else_help = true,
    after_help = "Examples:
  millstream demo                                   the review pipeline with made-up reviews, and a live page
  millstream demo --input reviews.tsv.gz --rate 50  the same with real ones
  millstream serve --apply examples/reviews.toml    a server that runs what the file says, until it is stopped
  millstream apply examples/reviews.toml --dry-run  what a changed file would change in it
  millstream tail review-analytics/AVG_STAR_RATING_SQL_STREAM   rows as they come out
  millstream check examples/reviews.toml            every mistake of a file, with line, column and hint
  millstream test tests/golden                      streaming SQL tests on a virtual clock
  millstream doctor                                 what is missing on this machine"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the review pipeline: reviews in, ratings, windows, anomalies, mails and objects out.
    Demo(DemoArguments),
    /// Run a pipeline that a TOML file describes, in the foreground.
    Run(RunArguments),
    /// Run everything that a data directory holds, until SIGTERM or Ctrl-C.
    Serve(ServeArguments),
    /// Make a running server hold what a file says; says first what changes and which state is kept.
    Apply(ApplyArguments),
    /// List the resources of a running server.
    List(ListArguments),
    /// Describe one resource: its definition, its state, what it has done.
    Describe(DescribeArguments),
    /// Delete a resource with everything that is kept of it.
    Delete(DeleteArguments),
    /// Put records into a stream or delivery stream.
    Put(PutArguments),
    /// Show records of a stream, or rows of an application, as they come.
    Tail(TailArguments),
    /// Let resources start from scratch: their records, positions and windows are deleted.
    Reset(ResetArguments),
    /// Say every mistake of a pipeline file (.toml) or of SQL (.sql); nothing is run or written.
    Check(CheckArguments),
    /// Run golden files: streaming SQL with its rows and what must come out, on a virtual clock.
    Test(TestArguments),
    /// Run an application over recorded data on a virtual clock, as fast as it goes.
    Replay(ReplayArguments),
    /// Find an input schema for records of which only a sample is known.
    Discover(DiscoverArguments),
    /// Say what is missing on this machine, and the line that fixes it.
    Doctor(DoctorArguments),
    /// Measure one part, as a ratio to a yardstick measured in the same run.
    Bench(BenchArguments),
    /// Print completions for a shell.
    Completions(CompletionsArguments),
}

impl Command {
    /// How the command logs.
    pub(crate) fn logging(&self) -> Logging {
        let session = match self {
            Command::Demo(demo) => &demo.session,
            Command::Run(run) => &run.session,
            Command::Serve(_) => return Logging { has_live_display: false, is_server: true },
            Command::Apply(_)
            | Command::List(_)
            | Command::Describe(_)
            | Command::Delete(_)
            | Command::Put(_)
            | Command::Tail(_)
            | Command::Reset(_)
            | Command::Check(_)
            | Command::Test(_)
            | Command::Replay(_)
            | Command::Discover(_)
            | Command::Doctor(_)
            | Command::Bench(_)
            | Command::Completions(_) => return Logging { has_live_display: false, is_server: false },
        };
        // Where nothing is drawn again, problems are lines.
        Logging { has_live_display: !session.json && std::io::stdout().is_terminal(), is_server: true }
    }
}

/// Which data directory.
#[derive(Args, Clone, Debug)]
pub(crate) struct DataDirectoryArguments {
    /// Where all state is kept; a second run on the same directory goes on where the first ended.
    #[arg(long, value_name = "DIR", env = DATA_DIRECTORY_VARIABLE, default_value = DATA_DIRECTORY)]
    pub(crate) data_dir: PathBuf,
}

/// Which data directory the demo has: never that of the user's own pipelines, unless it is named.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoDataDirectoryArguments {
    /// Where all state of the demo is kept, apart from that of your own pipelines; MILLSTREAM_DATA_DIR does not change it.
    /// A second run on the same directory goes on where the first ended.
    #[arg(long, value_name = "DIR", default_value = DEMO_DATA_DIRECTORY)]
    pub(crate) data_dir: PathBuf,
}

/// To whom the resources of a file belong.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct TakeOverArguments {
    /// What the file declares becomes its own even when it belongs to another file that is still there. When the other
    /// file is gone, as after a move, this happens by itself.
    #[arg(long)]
    pub(crate) take_over: bool,
}

/// How a server is run.
#[derive(Args, Debug)]
pub(crate) struct SessionArguments {
    /// Where the page is served. Only this machine can reach it: other addresses are refused until requests can be
    /// signed.
    #[arg(long, value_name = "ADDRESS", env = "MILLSTREAM_LISTEN", default_value = "127.0.0.1:4566", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// Serve no page.
    #[arg(long, env = "MILLSTREAM_NO_CONSOLE", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub(crate) no_console: bool,
    /// End after this time (`30s`, `5m`): what came in is delivered, open windows are kept for the next run. Without it:
    /// Ctrl-C.
    #[arg(long, value_name = "TIME", env = "MILLSTREAM_DURATION", value_parser = period)]
    pub(crate) duration: Option<Duration>,
    /// At the end wait until the windows that are open have closed by themselves.
    #[arg(long)]
    pub(crate) close_windows: bool,
    /// One line of JSON a second on standard output; the last line is the summary.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `demo`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream demo
  millstream demo --input amazon_reviews.tsv.gz --rate 50
  millstream demo --speed 10 --duration 30s --json --data-dir /tmp/demo

Reviews are lines of a TSV file, plain or gzip, whose header names review_id, product_category and review_body
(and star_rating if it is known), such as the Amazon customer review files. No quoting.")]
pub(crate) struct DemoArguments {
    /// Real reviews instead of made-up ones.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Reviews a second.
    #[arg(long, value_name = "NUMBER", default_value_t = 10.0, value_parser = above_zero)]
    pub(crate) rate: f64,
    /// How many times faster the reviews come: multiplies the rate.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = above_zero)]
    pub(crate) speed: f64,
    /// Which made-up reviews, and which random cuts of the anomaly detection.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) data: DemoDataDirectoryArguments,
    #[command(flatten)]
    pub(crate) session: SessionArguments,
}

/// `run`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream run examples/reviews.toml
  millstream run examples/reviews.toml --input reviews.tsv.gz --header --rate 50
  zcat reviews.tsv.gz | millstream run examples/reviews.toml --input - --header --until-end --json

It is serve and apply in one, in the foreground, with a display. While it runs, the commands apply, list, describe, put and
tail reach it. SIGHUP makes it read the file again: what changed is changed, and pumps whose plan is the same keep their state.

Exit code: 0 when everything that came in was delivered, 3 when some is left for the next run, 4 when an \
input could not be read to its end.")]
pub(crate) struct RunArguments {
    /// The pipeline.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Records besides those of the file's own inputs: the lines of a file, plain or gzip, or - for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// The delivery stream or stream that takes them; the file's only delivery stream (or stream) unless given.
    #[arg(long, value_name = "NAME", requires = "input")]
    pub(crate) into: Option<String>,
    /// What the name in --into is of, when both a stream and a delivery stream have it.
    #[arg(long, value_enum, requires = "into")]
    pub(crate) kind: Option<PlaceKind>,
    /// The first line is a header and no record.
    #[arg(long, requires = "input")]
    pub(crate) header: bool,
    /// Records a second; as fast as they are taken unless given.
    #[arg(long, value_name = "NUMBER", requires = "input", value_parser = above_zero)]
    pub(crate) rate: Option<f64>,
    /// End when every input has ended, all that came in has been delivered, and every open window has closed.
    #[arg(long)]
    pub(crate) until_end: bool,
    #[command(flatten)]
    pub(crate) take_over: TakeOverArguments,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    #[command(flatten)]
    pub(crate) session: SessionArguments,
}

/// `serve`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream serve
  millstream serve --apply examples/reviews.toml --data-dir /var/lib/millstream

Everything in the data directory runs. SIGHUP applies the files again. SIGTERM and Ctrl-C store all state and end within a
second or so; the second signal ends at once. Exit code: 0 when all state was stored, 3 when the stop was cut short.")]
pub(crate) struct ServeArguments {
    /// A pipeline file to apply at the start. May be given several times.
    #[arg(long = "apply", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) take_over: TakeOverArguments,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    #[command(flatten)]
    pub(crate) session: SessionArguments,
}

/// `apply`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream apply pipeline.toml --dry-run
  millstream apply pipeline.toml

What the file declares is created or changed; what it declared before and no longer does is deleted; what others own is left
alone, and what belongs to a file that is gone becomes this one's. A file is applied whole or not at all. Exit code: 0 applied (or could be), 1 refused, 4 applied, but something in it does not
run yet.")]
pub(crate) struct ApplyArguments {
    /// The pipeline.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Say what would change, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) take_over: TakeOverArguments,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    /// The report as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `list`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream list
  millstream list applications --json")]
pub(crate) struct ListArguments {
    /// Only this kind: stream, delivery-stream, application, function, endpoint, feed, topic, subscription, metric, alarm,
    /// mail-server.
    #[arg(value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `describe`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream describe application review-analytics
  millstream describe stream trades --json")]
pub(crate) struct DescribeArguments {
    /// Its kind.
    #[arg(value_name = "KIND")]
    pub(crate) kind: Kind,
    /// Its name.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    /// As one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `delete`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream delete application review-analytics
  millstream delete stream trades --force")]
pub(crate) struct DeleteArguments {
    /// Its kind.
    #[arg(value_name = "KIND")]
    pub(crate) kind: Kind,
    /// Its name.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Also when others use it: they wait until there is another of that name.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    /// As one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `put`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  echo '{\"ticker\":\"AMZN\",\"price\":125.2}' | millstream put trades
  millstream put trades --input trades.jsonl.gz --key AMZN

Each line is a record. When the command ends, all of them are on disk.")]
pub(crate) struct PutArguments {
    /// The stream or delivery stream.
    #[arg(value_name = "STREAM")]
    pub(crate) stream: String,
    #[command(flatten)]
    pub(crate) kind: PlaceKindArguments,
    /// The lines of a file, plain or gzip; standard input unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// The first line is a header and no record.
    #[arg(long)]
    pub(crate) header: bool,
    /// The partition key of all records; unless given each has one of its own, which spreads them over the shards.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    /// How many, as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `tail`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream tail trades
  millstream tail trades --from trim-horizon --where '\"price\" > 100'
  millstream tail review-analytics/AVG_STAR_RATING_SQL_STREAM
  millstream tail review-analytics/error_stream --json

Unquoted names in --where are in upper case, as everywhere in the SQL: quote others.")]
pub(crate) struct TailArguments {
    /// A stream, a delivery stream (what waits in its buffer), APPLICATION/IN_APPLICATION_STREAM, or error_stream.
    #[arg(value_name = "WHAT")]
    pub(crate) what: String,
    #[command(flatten)]
    pub(crate) kind: PlaceKindArguments,
    /// Where to begin: latest, trim-horizon, a time (UTC), or a sequence number. Rows of applications: latest only.
    #[arg(long, value_name = "PLACE", default_value = "latest")]
    pub(crate) from: String,
    /// Only records or rows that meet this SQL condition.
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) condition: Option<String>,
    /// End after so many, at least 1.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `reset`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream reset application review-analytics --yes
  millstream reset streams --yes
  millstream reset --all --yes

What is reset stays as it is defined and starts from scratch. Works with a running server, and without one.")]
#[command(group(clap::ArgGroup::new("what").required(true).args(["kind", "all"])))]
pub(crate) struct ResetArguments {
    /// All resources of this kind.
    #[arg(value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    /// Or only the one of this name.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Everything.
    #[arg(long, conflicts_with = "kind")]
    pub(crate) all: bool,
    /// Do it: without this it only says what would be deleted.
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    /// As one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `check`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream check examples/reviews.toml
  millstream check app.sql --stream 'SOURCE_SQL_STREAM_001 (ticker VARCHAR(4), price DOUBLE)'
  millstream check examples/reviews.toml --lint --sample reviews.tsv.gz --header")]
pub(crate) struct CheckArguments {
    /// A pipeline (.toml), SQL (.sql) or a golden file (.test).
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// For SQL: a stream that it reads, as NAME (COLUMN TYPE, …). May be given several times.
    #[arg(long = "stream", value_name = "STREAM")]
    pub(crate) streams: Vec<String>,
    /// Also show what is legal and probably not meant: TSDIFF with the later time first, windows longer than records are
    /// kept, columns that are filled in another order than their names say, joins without windows.
    #[arg(long)]
    pub(crate) lint: bool,
    /// Records of the input, one a line, to see which texts would be cut and which rows would fail.
    #[arg(long, value_name = "FILE", requires = "lint")]
    pub(crate) sample: Option<PathBuf>,
    /// For SQL: how the records of the sample are written.
    #[arg(long, value_enum, default_value = "csv", requires = "sample")]
    pub(crate) format: Format,
    /// The first line of the sample is a header and no record.
    #[arg(long, requires = "sample")]
    pub(crate) header: bool,
    /// The mistakes as JSON, one a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `test`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream test tests/golden
  millstream test average.test --complete

The last line is: N passed, N failed. The format is described in docs/golden-files.md.")]
pub(crate) struct TestArguments {
    /// Golden files, or folders with files that end in .test.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Write what came out into the files, in place of what was expected.
    #[arg(long)]
    pub(crate) complete: bool,
    /// One line of JSON for each file.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What holds records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlaceKind {
    /// A durable log.
    Stream,
    /// What waits in the buffer of a delivery stream.
    DeliveryStream,
}

impl PlaceKind {
    pub(crate) fn kind(self) -> Kind {
        match self {
            PlaceKind::Stream => Kind::Stream,
            PlaceKind::DeliveryStream => Kind::DeliveryStream,
        }
    }
}

/// Which of two with one name.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct PlaceKindArguments {
    /// What the name is of, when both a stream and a delivery stream have it.
    #[arg(long, value_enum)]
    pub(crate) kind: Option<PlaceKind>,
}

impl PlaceKindArguments {
    /// As part of a query, if it is given.
    pub(crate) fn as_query(self) -> Option<String> {
        self.kind.map(|kind| format!("kind={}", kind.kind().as_str()))
    }
}

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Fields with commas between, perhaps quoted.
    Csv,
    /// Fields with tabs between, never quoted.
    Tsv,
    /// One JSON document a line.
    Json,
}

/// `replay`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream replay examples/reviews.toml --input reviews.tsv.gz --header --rate 10
  millstream replay app.sql --stream 'SOURCE_SQL_STREAM_001 (at TIMESTAMP, price DOUBLE)' \\
      --format csv --input prices.csv --header --rowtime at

Rows come out as ROWTIME, stream and columns; with --json as one object a line.")]
pub(crate) struct ReplayArguments {
    /// A pipeline (.toml), or SQL (.sql) with --stream.
    #[arg(value_name = "APP")]
    pub(crate) app: PathBuf,
    /// The recorded records, one a line, plain or gzip; - for standard input.
    #[arg(long, value_name = "DATA")]
    pub(crate) input: PathBuf,
    /// Which application of the pipeline, when it has several.
    #[arg(long, value_name = "NAME")]
    pub(crate) application: Option<String>,
    /// For SQL: the stream that it reads, as NAME (COLUMN TYPE, …).
    #[arg(long, value_name = "STREAM")]
    pub(crate) stream: Option<String>,
    /// For SQL: how records are written; csv unless given.
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// The column that holds each row's ROWTIME: a TIMESTAMP, a DATE, milliseconds since 1970 (BIGINT) or a text such as
    /// 2024-01-01 00:00:05. Rows go in by this time, whatever the order of their records; one without it is an error row.
    #[arg(long, value_name = "COLUMN", conflicts_with = "rate")]
    pub(crate) rowtime: Option<String>,
    /// By how much times may go back (`10s`): rows wait no longer than this. Without it the whole input is sorted, as long
    /// as its rows fit into 1 GiB.
    #[arg(long, value_name = "TIME", requires = "rowtime", value_parser = period)]
    pub(crate) lateness: Option<Duration>,
    /// Rows a second of virtual time, when no column holds it; at least 0.000001, a row in about eleven days.
    #[arg(long, value_name = "NUMBER", default_value_t = 10.0, value_parser = replay_rate)]
    pub(crate) rate: f64,
    /// When the first row arrives, with --rate.
    #[arg(long, value_name = "TIME", default_value = "2024-01-01 00:00:00", value_parser = instant)]
    pub(crate) start: Instant,
    /// The first line is a header and no record.
    #[arg(long)]
    pub(crate) header: bool,
    /// The records have been through the application's preprocessing function already.
    #[arg(long)]
    pub(crate) preprocessed: bool,
    /// Where random cut forests start; for SQL only.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Only these in-application streams.
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// End with code 1 when more than this share of the records fails, from 0 to 1. Without it: when records fail and no
    /// row comes of any.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) fail_on_errors: Option<f64>,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `discover`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream discover orders.json
  zcat clicks.csv.gz | millstream discover - --records 1000 --json

It prints the section of a pipeline file: format, row path, columns with types and paths. Columns are named as the \
service names them: COL_… stands for a name that is a reserved word, begins with a digit or holds other characters than \
letters, digits and _, and COL_0, COL_1, … for fields without names.")]
pub(crate) struct DiscoverArguments {
    /// Records, one a line, plain or gzip; - for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How many records to read.
    #[arg(long, value_name = "NUMBER", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) records: u32,
    /// Types as narrow as the sample allows, TIMESTAMP and DECIMAL among them; not together with --roomy. Without either:
    /// those that the service infers.
    #[arg(long)]
    pub(crate) typed: bool,
    /// Longer VARCHAR than the sample needs, the next of 16, 64, 256, 1024, … characters; other types are those that the
    /// service infers, so not together with --typed.
    #[arg(long, conflicts_with = "typed")]
    pub(crate) roomy: bool,
    /// The schema and the sample's rows as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `doctor`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream doctor
  millstream doctor --data-dir /mnt/fast --listen 127.0.0.1:8080")]
pub(crate) struct DoctorArguments {
    /// The data directory to check.
    #[arg(long, value_name = "DIR", env = DATA_DIRECTORY_VARIABLE, default_value = DATA_DIRECTORY)]
    pub(crate) data_dir: PathBuf,
    /// The address to check.
    #[arg(long, value_name = "ADDRESS", env = "MILLSTREAM_LISTEN", default_value = "127.0.0.1:4566", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bench {
    /// Parsing, expressions and operators, against the memory's bandwidth.
    Sql,
    /// Durable appends, against the disk's own fsync.
    Log,
    /// Whole commands, replay and run over a file, against a plain read of it.
    Pipeline,
    /// Random cut forests, against dependent loads.
    Rcf,
    /// The star-rating model, against the peak of multiplications.
    Model,
}

/// `bench`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream bench sql
  millstream bench pipeline
  millstream bench log --seconds 10 --data-dir /mnt/fast")]
pub(crate) struct BenchArguments {
    /// Which part.
    #[arg(value_enum)]
    pub(crate) part: Bench,
    /// About how long to measure.
    #[arg(long, value_name = "NUMBER", default_value_t = 10.0, value_parser = above_zero)]
    pub(crate) seconds: f64,
    /// For the log and whole commands: on which disk, in a folder of its own that is removed afterwards.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) data_dir: PathBuf,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `completions`.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  millstream completions bash > ~/.local/share/bash-completion/completions/millstream")]
pub(crate) struct CompletionsArguments {
    /// For which shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// `127.0.0.1:4566`, and what people write for it: `localhost:4566`, `:4566`, `4566`.
fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = || format!("\"{text}\" is no address: write 127.0.0.1:4566, localhost:4566, :4566 or 4566");
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port: u16 = port.parse().map_err(|_| wrong())?;
    match host {
        "" | "localhost" => Ok(SocketAddr::from(([127, 0, 0, 1], port))),
        _ => Err(wrong()),
    }
}

fn period(text: &str) -> Result<Duration, String> {
    text.parse::<Period>().map(|period| period.0)
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| format!("\"{text}\" is no share: a number from 0 to 1, such as 0.05"))
}

/// Milliseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant(pub(crate) i64);

fn instant(text: &str) -> Result<Instant, String> {
    let instant = parse_instant(text).map(Instant);
    instant.ok_or_else(|| format!("\"{text}\" is no time: write 2024-01-01 00:00:00, in the years 1 to 9999"))
}

fn replay_rate(text: &str) -> Result<f64, String> {
    let rate = above_zero(text)?;
    if rate >= LEAST_RATE { Ok(rate) } else { Err(format!("must be at least {LEAST_RATE}")) }
}

fn above_zero(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("\"{text}\" is not a number"))?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("must be above 0".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        for text in ["127.0.0.1:4605", "localhost:4605", ":4605", "4605"] {
            assert_eq!(address(text).unwrap(), SocketAddr::from(([127, 0, 0, 1], 4605)), "{text}");
        }
        for text in ["", "localhost", "example.com:80", "127.0.0.1", ":x", "65536"] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
