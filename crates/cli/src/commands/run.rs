//! `millstream run`: a pipeline that a file describes.

use std::process::ExitCode;

use millstream_control::definition::{
    Definition, Desired, FeedDefinition, FeedSource, FeedTarget, OutputTarget, Reference,
};

use crate::arguments::RunArguments;
use crate::loading;
use crate::session::{Session, Starting, What};

/// Begins the name of a feed that the command line brings. The names in a file have no blanks.
pub(crate) const COMMAND_LINE_FEED: &str = "input ";

pub(super) fn run(arguments: RunArguments, starting: Starting) -> anyhow::Result<ExitCode> {
    let loaded = loading::load(&arguments.file, &[])??;
    let feed = match &arguments.input {
        Some(path) => {
            let target = target(&loaded.desired, arguments.into.as_deref())?;
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
    let declared = loaded.desired.iter().filter(|one| matches!(one.definition, Definition::Feed(_)));
    let mut sources: Vec<String> = declared.map(|one| one.name.clone()).collect();
    sources.extend(arguments.input.iter().map(|path| path.display().to_string()));
    let from = if sources.is_empty() { "no input".to_owned() } else { sources.join(", ") };
    let session = Session {
        source: format!("{} ({from})", arguments.file.display()),
        what: What::File { file: arguments.file, feed: feed.map(Box::new) },
        is_synthetic: false,
        until_end: arguments.until_end,
        takes_over: arguments.take_over.take_over,
        data_directory: arguments.data.data_dir,
    };
    session.run(&arguments.session, starting)
}

/// Where the records of `--input` go: to what the file's applications and deliveries read, and nothing in it writes.
fn target(desired: &[Desired], into: Option<&str>) -> anyhow::Result<FeedTarget> {
    let places: Vec<FeedTarget> = desired
        .iter()
        .filter_map(|one| match &one.definition {
            Definition::DeliveryStream(_) => Some(FeedTarget::DeliveryStream(one.name.clone())),
            Definition::Stream(_) => Some(FeedTarget::Stream(one.name.clone())),
            _ => None,
        })
        .collect();
    let names = |places: &[FeedTarget]| {
        let names = places.iter().map(|place| place.reference().name);
        names.collect::<Vec<_>>().join(", ")
    };
    if let Some(name) = into {
        let mut named = places.iter().filter(|place| place.reference().name == name);
        return match (named.next(), named.next()) {
            (Some(place), None) => Ok(place.clone()),
            (Some(place), Some(_)) => Ok(place.clone()),
            _ => anyhow::bail!(
                "--into {name}: the file declares no such delivery stream or stream; there are: {}",
                names(&places)
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
        let only = "[[stream]]\nname = \"in\"\n";
        assert_eq!(target_of(only, None), Ok(FeedTarget::Stream("in".to_owned())));
        assert!(target_of("", None).unwrap_err().contains("no stream that could take records"));
    }
}
