//! `millstream run`: a pipeline that a file describes.

use std::process::ExitCode;

use millstream_control::definition::{
    Definition, Desired, FeedDefinition, FeedSource, FeedTarget, OutputTarget, Reference,
};
use millstream_control::headers_in_other_order;
use millstream_wording::there_are;

use crate::arguments::{PlaceKind, RunArguments};
use crate::failure::say;
use crate::loading;
use crate::session::{Session, Starting, What};

/// Begins the name of a feed that the command line brings. The names in a file have no blanks.
const COMMAND_LINE_FEED: &str = "input ";

pub(super) fn run(arguments: RunArguments, starting: Starting) -> anyhow::Result<ExitCode> {
    // It may refer to what other files have put into the data directory.
    let existing = loading::existing_in(&arguments.data.data_dir, &loading::owner_of(&arguments.file));
    let loaded = loading::load(&arguments.file, &existing)??;
    let feed = match &arguments.input {
        Some(path) => {
            let into = arguments.into.as_deref().map(|name| (name, arguments.kind));
            let target = target(&loaded.desired, into)?;
            let source = match path.as_os_str() == "-" {
                true => FeedSource::StandardInput { header: arguments.header },
                false => {
                    let path = loading::absolute(path);
                    FeedSource::File { path, header: arguments.header, repeat: false, review_columns: None }
                }
            };
            let definition = Definition::Feed(FeedDefinition {
                source,
                target,
                rate: arguments.rate,
                from_command_line: true,
            });
            Some(Desired { name: format!("{COMMAND_LINE_FEED}{}", path.display()), definition })
        }
        None => None,
    };
    let desired: Vec<Desired> = loaded.desired.iter().chain(&feed).cloned().collect();
    for remark in headers_in_other_order(&desired) {
        say(format_args!("warning: {remark}"));
    }
    let declared = loaded.desired.iter().filter(|one| matches!(one.definition, Definition::Feed(_)));
    let mut sources: Vec<String> = declared.map(|one| one.name.clone()).collect();
    sources.extend(arguments.input.iter().map(|path| path.display().to_string()));
    let from = if sources.is_empty() { "no input".to_owned() } else { sources.join(", ") };
    let session = Session {
        source: format!("{} ({from})", arguments.file.display()),
        what: What::File { file: arguments.file, feed: feed.map(Box::new) },
        is_synthetic: false,
        until_end: arguments.until_end,
        fail_on_errors: arguments.fail_on_errors,
        takes_over: arguments.take_over.take_over,
        data_directory: arguments.data.data_dir,
    };
    session.run(&arguments.session, starting)
}

/// Where the records of `--input` go: to what the file's applications and deliveries read, and nothing in it writes.
fn target(desired: &[Desired], into: Option<(&str, Option<PlaceKind>)>) -> anyhow::Result<FeedTarget> {
    let places: Vec<FeedTarget> = desired
        .iter()
        .filter_map(|one| match &one.definition {
            Definition::DeliveryStream(_) => Some(FeedTarget::DeliveryStream(one.name.clone())),
            Definition::Stream(_) => Some(FeedTarget::Stream(one.name.clone())),
            _ => None,
        })
        .collect();
    // Two of one name are told apart by their kinds.
    let name_of = |place: &FeedTarget| {
        let reference = place.reference();
        let is_shared = places.iter().filter(|other| other.reference().name == reference.name).count() > 1;
        if is_shared { reference.to_string() } else { reference.name }
    };
    let names = |places: &[FeedTarget]| places.iter().map(name_of).collect::<Vec<_>>().join(", ");
    if let Some((name, kind)) = into {
        let is_meant = |place: &&FeedTarget| {
            let reference = place.reference();
            reference.name == name && kind.is_none_or(|kind| kind.kind() == reference.kind)
        };
        let named: Vec<FeedTarget> = places.iter().filter(is_meant).cloned().collect();
        return match named.as_slice() {
            [only] => Ok(only.clone()),
            [] => anyhow::bail!(
                "--into {name}: the file declares no such {}; {}",
                kind.map_or("delivery stream or stream", |kind| kind.kind().noun()),
                there_are(&names(&places))
            ),
            _ => anyhow::bail!(
                "--into {name}: \"{name}\" is the name of a stream and of a delivery stream: say which with --kind stream or \
                 --kind delivery-stream"
            ),
        };
    }
    anyhow::ensure!(!places.is_empty(), "--input: the file declares no stream that could take records");
    let (read, written) = read_and_written(desired);
    let is_entrance = |place: &&FeedTarget| {
        let reference = place.reference();
        let is_read = read.contains(&reference) || matches!(place, FeedTarget::DeliveryStream(_));
        is_read && !written.contains(&reference)
    };
    let entrances: Vec<FeedTarget> = places.iter().filter(is_entrance).cloned().collect();
    match entrances.as_slice() {
        [only] => Ok(only.clone()),
        [] if places.len() == 1 => Ok(places[0].clone()),
        [] => anyhow::bail!(
            "--input: nothing in the file reads records from outside; say with --into which of these takes them: {}",
            names(&places)
        ),
        several => {
            anyhow::bail!("--input: say with --into which of these takes the records: {}", names(several))
        }
    }
}

/// The streams and delivery streams that something in the file reads, and those that something in it writes.
fn read_and_written(desired: &[Desired]) -> (Vec<Reference>, Vec<Reference>) {
    let (mut read, mut written) = (Vec::new(), Vec::new());
    for one in desired {
        match &one.definition {
            Definition::Application(application) => {
                read.push(application.input.source.reference());
                let targets = application.outputs.iter().map(|output| &output.target);
                let places = targets.filter(|target| !matches!(target, OutputTarget::Function(_)));
                written.extend(places.map(OutputTarget::reference));
            }
            Definition::Feed(feed) => {
                if let FeedSource::Stream { .. } = &feed.source {
                    written.push(feed.target.reference());
                    read.extend(
                        one.definition
                            .references()
                            .into_iter()
                            .filter(|reference| *reference != feed.target.reference()),
                    );
                }
            }
            _ => {}
        }
    }
    (read, written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_control::pipeline::Pipeline;

    fn target_of(text: &str, into: Option<&str>) -> Result<FeedTarget, String> {
        target_of_kind(text, into.map(|name| (name, None)))
    }

    fn target_of_kind(text: &str, into: Option<(&str, Option<PlaceKind>)>) -> Result<FeedTarget, String> {
        let pipeline = Pipeline::parse("t.toml", text, &|_| Err(String::new())).unwrap();
        target(&pipeline.desired, into).map_err(|error| error.to_string())
    }

    const OUT: &str = "[[stream]]\nname = \"in\"\n[[delivery_stream]]\nname = \"out\"\nbucket = \"out\"\n\
        [[application]]\nname = \"a\"\nsql = 'CREATE STREAM \"T\" (N INTEGER);'\n\
        input = {stream = \"in\", columns = \"N INTEGER\"}\n\
        [[application.output]]\nfrom = \"T\"\ndelivery_stream = \"out\"\n";

    #[test]
    fn silent_1_records_go_to_what_is_read_and_not_to_an_output() {
        assert_eq!(target_of(OUT, None), Ok(FeedTarget::Stream("in".to_owned())));
        let two = format!("{OUT}[[delivery_stream]]\nname = \"also\"\nbucket = \"also\"\n");
        let error = target_of(&two, None).unwrap_err();
        assert!(error.contains("--into") && error.contains("also, ") | error.contains(", also"), "{error}");
        assert!(error.contains("in") && !error.contains("out"), "{error}");
        assert_eq!(target_of(&two, Some("out")), Ok(FeedTarget::DeliveryStream("out".to_owned())));
        assert!(target_of(&two, Some("none")).unwrap_err().contains("there are: "));
        let equal = "[[stream]]\nname = \"x\"\n[[delivery_stream]]\nname = \"x\"\nbucket = \"bucket\"\n";
        let error = target_of(equal, Some("x")).unwrap_err();
        assert!(error.contains("--kind stream or --kind delivery-stream"), "{error}");
        for (kind, expected) in [
            (PlaceKind::Stream, FeedTarget::Stream("x".to_owned())),
            (PlaceKind::DeliveryStream, FeedTarget::DeliveryStream("x".to_owned())),
        ] {
            assert_eq!(target_of_kind(equal, Some(("x", Some(kind)))), Ok(expected));
        }
        let error = target_of_kind(OUT, Some(("in", Some(PlaceKind::DeliveryStream)))).unwrap_err();
        assert!(error.contains("no such delivery stream"), "{error}");
        let error = target_of(equal, Some("y")).unwrap_err();
        assert!(error.contains("stream \"x\", delivery stream \"x\""), "{error}");
        let only = "[[stream]]\nname = \"in\"\n";
        assert_eq!(target_of(only, None), Ok(FeedTarget::Stream("in".to_owned())));
        assert!(target_of("", None).unwrap_err().contains("no stream that could take records"));
    }
}
