//! The page, its data and its assets over HTTP.

use std::collections::HashSet;

use crate::support::{
    ScriptedSource, Server,
    http::{get, request},
    overviews,
};
use millstream_control::view::{MailView, Overview, Point, Problem};

async fn page(overview: Overview) -> String {
    let server = Server::start(ScriptedSource::new(overview)).await;
    let answer = get(server.address, "/").await;
    assert_eq!(answer.status, 200);
    server.stop().await;
    answer.body
}

/// Complains about HTML that is not well formed: tags that do not match, ids that are there twice.
fn check(html: &str) {
    const VOID: [&str; 5] = ["meta", "wbr", "link", "img", "br"];
    let mut open: Vec<&str> = Vec::new();
    let mut ids = HashSet::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let end = start
            + rest[start..].find('>').unwrap_or_else(|| panic!("a tag has no end: {:.80}", &rest[start..]));
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "before {:.80}", rest);
            continue;
        }
        let name = tag.split([' ', '\n', '/']).next().unwrap_or_default();
        if let Some(id) = tag.split(" id=\"").nth(1).and_then(|id| id.split('"').next()) {
            assert!(ids.insert(id.to_owned()), "the id {id} is there twice");
        }
        let attributes: String = tag.split('"').step_by(2).collect();
        assert!(
            !attributes.contains(" style") && !attributes.contains(" on"),
            "inline style or script in <{tag}>"
        );
        if !tag.starts_with('!') && !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
}

#[tokio::test]
async fn an_empty_overview_says_what_will_appear() {
    for overview in [Overview { scores_reviews: true, ..Overview::default() }, overviews::empty()] {
        let html = page(overview).await;
        check(&html);
        for promise in [
            "The first average appears here",
            "Bars grow here",
            "Scores appear here",
            "The first count of different reviews",
            "Reviews appear here",
            "A mail appears here when",
            "No alarm is declared",
            "Records that cannot be processed",
        ] {
            assert!(html.contains(promise), "{promise}");
        }
        assert!(!html.contains("<path class=\"line\""));
    }
}

#[tokio::test]
async fn a_pipeline_without_reviews_is_not_said_to_have_some() {
    let sensors = Overview {
        scores_reviews: false,
        is_synthetic: false,
        source: "sensors.toml".to_owned(),
        flow: Vec::new(),
        ..overviews::empty()
    };
    let busy = Overview {
        summary: overviews::busy(180).summary,
        averages: overviews::busy(180).averages,
        scores: overviews::busy(180).scores,
        counts: overviews::busy(180).counts,
        ..sensors.clone()
    };
    for overview in [sensors, busy] {
        let html = page(overview).await;
        check(&html);
        let shown = html.to_lowercase().replace("id=\"reviews\"", "").replace("reviews-title", "");
        for word in ["review", "rated", "stars", "in the demo"] {
            assert!(!shown.contains(word), "{word}: {shown}");
        }
        for part in ["distribution", "reviews"] {
            assert!(html.contains(&format!("id=\"{part}\" data-part")), "{part}");
        }
        for words in ["Records stream in", "Records from <strong>sensors.toml</strong>", "Distinct items"] {
            assert!(html.contains(words), "{words}");
        }
    }
}

#[tokio::test]
async fn a_busy_overview_shows_everything() {
    let html = page(overviews::busy(180)).await;
    check(&html);
    for shown in [
        "3,600",
        "AverageStarRating",
        "mail from 2.50",
        "Anomaly in the reviews: score 3.40",
        "owner@example.com",
        "r-000823 has 3 columns, not 4",
        "average-too-low",
        "INSUFFICIENT DATA",
        "<strong>64 %</strong>",
        "1,830 reviews with a known rating",
        r#"aria-label="5 of 5 stars""#,
        "author: 5, same",
        r#"<time datetime="2026-03-14T09:29:00Z">09:29:00 UTC</time>"#,
        "0.1.0 (1a2b3c4)",
        "./millstream-data",
    ] {
        assert!(html.contains(shown), "{shown}");
    }
    assert_eq!(html.matches("<path class=\"line\"").count(), 3);
    assert_eq!(html.matches(r#"class="stage"#).count(), 2 * 16, "each stage in the picture and in the list");
    assert!(html.contains(" troubled"));
}

#[tokio::test]
async fn silent_4_averages_of_other_things_are_no_stars() {
    let stars = page(overviews::busy(180)).await;
    assert!(stars.contains("of 5 stars in the newest window") && stars.contains("stars, last window"));
    let mut prices = overviews::busy(180);
    prices.averages.iter_mut().for_each(|point| point.value += 120.0);
    let newest = prices.averages.last().unwrap().value;
    for overview in [
        prices.clone(),
        Overview { scores_reviews: false, ..overviews::busy(180) },
        Overview { scores_reviews: false, ..prices },
    ] {
        let html = page(overview).await;
        check(&html);
        assert!(!html.contains("of 5 stars in the newest") && !html.contains("stars, last window"));
    }
    let html = page(Overview {
        averages: vec![millstream_control::view::Point { value: newest, ..overviews::busy(180).averages[0] }],
        ..overviews::busy(180)
    })
    .await;
    assert!(html.contains(&format!("<strong>{newest:.2}</strong> in the newest window")), "{newest}");
}

#[tokio::test]
async fn synthetic_data_is_said_to_be_wherever_it_shows() {
    let synthetic = page(overviews::busy(180)).await;
    assert!(synthetic.contains("This program made these reviews up"));
    for title in
        ["totals", "flow", "alarms", "averages", "distribution", "scores", "counts", "reviews", "mails"]
    {
        let heading = synthetic
            .split(&format!(r#"<h2 id="{title}-title">"#))
            .nth(1)
            .and_then(|rest| rest.split("</h2>").next());
        assert!(heading.is_some_and(|heading| heading.contains(">synthetic<")), "{title}: {heading:?}");
    }
    let mut overview = overviews::busy(180);
    overview.is_synthetic = false;
    overview.source = "reviews.tsv.gz".into();
    let real = page(overview).await;
    assert!(!real.contains(">synthetic<") && !real.contains("made these reviews up"));
    assert!(real.contains("Reviews from <strong>reviews.tsv.gz</strong>"));
}

#[tokio::test]
async fn hostile_text_is_only_text() {
    let html = page(overviews::hostile()).await;
    check(&html);
    assert_eq!(html.matches("<script").count(), 1, "only our own script");
    assert!(!html.contains("<img src=x"));
    assert!(!html.contains(['\0', '\r', '\u{202E}']));
    assert!(html.contains("&#60;script&#62;alert(1)"), "the review shows its text");
    for number in ["NaN", "inf"] {
        assert!(!html.contains(&format!("\"{number}")) && !html.contains(&format!("{number}%")), "{number}");
    }
}

#[tokio::test]
async fn the_page_is_small_and_stays_bounded() {
    let size = page(overviews::busy(180)).await.len();
    assert!(size < 100_000, "{size} bytes");

    let mut overview = overviews::busy(10_000);
    overview.averages =
        (0..10_000).map(|index| Point { at: index * 5000, value: (index % 5) as f64 }).collect();
    overview.counts = overview.averages.clone();
    overview.scores =
        (0..10_000).map(|index| Point { at: index * 5000, value: (index % 9) as f64 }).collect();
    let long = "a word ".repeat(20_000);
    overview.mails = (0..200)
        .map(|at| MailView { at, subject: long.clone(), body: long.clone(), ..MailView::default() })
        .collect();
    overview.problems =
        (0..200).map(|at| Problem { at, place: long.clone(), message: long.clone() }).collect();
    overview.flow = overview.flow.iter().cycle().take(5_000).cloned().collect();
    for review in &mut overview.reviews {
        review.review_body = long.clone();
    }
    let html = page(overview).await;
    check(&html);
    assert!(html.len() < 260_000, "{} bytes", html.len());
    assert!(html.contains("And 188 older.") && html.contains("And 4940 more stages."));
}

#[tokio::test]
async fn the_overview_as_json() {
    let mut overview = overviews::busy(90);
    overview.summary.newest_average = Some(f64::NAN);
    let server = Server::start(ScriptedSource::new(overview)).await;
    let answer = get(server.address, "/api/overview").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(json["summary"]["records_in"], 1_800);
    assert_eq!(json["summary"]["newest_average"], serde_json::Value::Null);
    assert_eq!(json["is_synthetic"], true);
    assert_eq!(json["flow"][0]["feeds"][0], "score-reviews");
    server.stop().await;
}

#[tokio::test]
async fn health_is_ok_and_other_paths_help() {
    let server = Server::start(ScriptedSource::new(overviews::empty())).await;
    let health = get(server.address, "/health").await;
    assert_eq!((health.status, health.body.as_str()), (200, "ok"));
    for path in ["/nowhere", "/api/overviews", "/_console/style-0000000000000000.css", "/a/%3Cscript%3E/%00"]
    {
        let missing = get(server.address, path).await;
        assert_eq!(missing.status, 404, "{path}");
        check(&missing.body);
        assert!(missing.body.contains(r#"<a href="/">The live page</a>"#), "{path}");
        assert!(!missing.body.contains("<script>"));
    }
    assert_eq!(request(server.address, "POST", "/").await.status, 405);
    assert_eq!(request(server.address, "HEAD", "/").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn every_answer_bears_the_security_headers() {
    let server = Server::start(ScriptedSource::new(overviews::empty())).await;
    for path in ["/", "/health", "/api/overview", "/nowhere", "/_console/nothing"] {
        let answer = get(server.address, path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn assets_are_named_by_their_content_and_kept() {
    let server = Server::start(ScriptedSource::new(overviews::empty())).await;
    let html = get(server.address, "/").await.body;
    let paths: HashSet<&str> =
        html.split('"').filter(|value| value.starts_with("/_console/") && value.contains('.')).collect();
    assert_eq!(paths.len(), 3, "{paths:?}");
    let mut bytes = html.len();
    for path in paths {
        let asset = get(server.address, path).await;
        assert_eq!(asset.status, 200, "{path}");
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
        assert!(asset.header("content-type").starts_with(match path.rsplit('.').next() {
            Some("css") => "text/css",
            Some("js") => "text/javascript",
            _ => "image/svg+xml",
        }));
        bytes += asset.body.len();
    }
    assert!(bytes < 100_000, "{bytes} bytes to load the page");
    assert!(!html.contains("http://") && !html.contains("https://"), "nothing from another host");
    server.stop().await;
}

/// The contrast of the colours that text has on what it stands on, by WCAG 2.1 (section 1.4.3): 4.5 at least.
#[test]
fn text_has_contrast_in_light_and_dark() {
    let style = include_str!("../../assets/style.css");
    let themes: Vec<&str> =
        style.split(":root {").skip(1).map(|theme| theme.split('}').next().unwrap()).collect();
    assert_eq!(themes.len(), 2, "light and dark");
    let luminance = |theme: &str, name: &str| {
        let value = theme.split(&format!("--{name}: #")).nth(1).unwrap_or_else(|| panic!("no --{name}"));
        let channel = |index: usize| {
            let level = f64::from(u8::from_str_radix(&value[index..index + 2], 16).unwrap()) / 255.0;
            if level <= 0.040_45 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
    };
    let pairs = [
        ("ink", "ground"),
        ("ink", "surface"),
        ("ink", "sunken"),
        ("quiet", "ground"),
        ("quiet", "surface"),
        ("quiet", "sunken"),
        ("quiet", "brick-soft"),
        ("water", "surface"),
        ("water", "sunken"),
        ("water", "water-soft"),
        ("leaf", "surface"),
        ("leaf", "sunken"),
        ("plum", "sunken"),
        ("amber", "sunken"),
        ("brick", "surface"),
        ("brick", "brick-soft"),
        ("notice-ink", "notice"),
    ];
    for theme in themes {
        for (text, behind) in pairs {
            let (one, other) = (luminance(theme, text), luminance(theme, behind));
            let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
            assert!(contrast >= 4.5, "{text} on {behind} has a contrast of {contrast:.2}");
        }
    }
}
