//! The newest mails.

use std::hash::{DefaultHasher, Hash, Hasher};

use askama::Template;
use millstream_control::view::{MailView, Overview};

use crate::show::{Moment, excerpt, rounded};

/// The most mails on the page.
const MOST_MAILS: usize = 12;
/// The most characters of a mail's text.
const MOST_CHARACTERS: usize = 1500;

/// The fragment `mails`.
#[derive(Template)]
#[template(path = "mails.html")]
pub(crate) struct Mails {
    is_synthetic: bool,
    scores_reviews: bool,
    threshold: Option<String>,
    left_out: usize,
    mails: Vec<MailShown>,
}

struct MailShown {
    key: String,
    at: Moment,
    to: String,
    subject: String,
    body: String,
    status: String,
    has_failed: bool,
}

impl Mails {
    pub(crate) fn new(overview: &Overview) -> Mails {
        let mut mails: Vec<MailShown> = Vec::new();
        // From the oldest, so that a mail keeps its key when a like one arrives.
        for mail in overview.mails.iter().take(MOST_MAILS).rev() {
            let key = key(mail);
            let like = mails.iter().filter(|other| other.key.starts_with(&key)).count();
            mails.push(MailShown {
                key: if like == 0 { key } else { format!("{key}-{like}") },
                at: Moment::at(mail.at),
                to: excerpt(&mail.to, 200),
                subject: excerpt(&mail.subject, 200),
                body: excerpt(&mail.body, MOST_CHARACTERS),
                status: excerpt(&mail.status, 200),
                has_failed: mail.status.starts_with("failed"),
            });
        }
        mails.reverse();
        Mails {
            is_synthetic: overview.is_synthetic,
            scores_reviews: overview.scores_reviews,
            threshold: overview.score_threshold.map(|threshold| rounded(threshold, 2)),
            left_out: overview.mails.len().saturating_sub(MOST_MAILS),
            mails,
        }
    }
}

/// What names a mail while it is on the page: the same at every update.
fn key(mail: &MailView) -> String {
    let mut hasher = DefaultHasher::new();
    (mail.at, &mail.to, &mail.subject, &mail.body).hash(&mut hasher);
    format!("mail-{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_keeps_its_key_when_others_arrive() {
        let mail = |at| MailView { at, subject: "Anomaly".into(), ..MailView::default() };
        let keys = |mails: Vec<MailView>| -> Vec<String> {
            Mails::new(&Overview { mails, ..Overview::default() })
                .mails
                .into_iter()
                .map(|mail| mail.key)
                .collect()
        };
        let before = keys(vec![mail(2), mail(1), mail(1)]);
        let after = keys(vec![mail(3), mail(2), mail(1), mail(1)]);
        assert_eq!(before, after[1..]);
        assert_ne!(before[1], before[2], "mails that are equal still have keys of their own");
    }
}
