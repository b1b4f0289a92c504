//! How long to wait before the next try.

use std::time::Duration;

use millstream_host::Random;

use crate::settings::SmtpSettings;

/// The wait after so many failures in a row: it doubles up to the longest. The second half is random, so that many
/// monitors do not come back to a server at the same instant.
pub(super) fn wait(settings: &SmtpSettings, failures: u32, random: &mut Random) -> Duration {
    let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    let longest = settings.first_wait.saturating_mul(factor).min(settings.longest_wait);
    longest.mul_f64(0.5 + random.unit() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_vary() {
        let settings = SmtpSettings::new("localhost", 25, "a@example.com");
        let mut random = Random::from_seed(1);
        for failures in 1..80 {
            let full = Duration::from_secs(1 << (failures - 1).min(20)).min(Duration::from_secs(900));
            let found = wait(&settings, failures, &mut random);
            assert!(found >= full / 2 && found <= full, "{failures}: {found:?}");
        }
        let waits: Vec<Duration> = (0..10).map(|_| wait(&settings, 5, &mut random)).collect();
        assert!(waits.iter().any(|&other| other != waits[0]));
        let mut again = Random::from_seed(7);
        assert_eq!(wait(&settings, 3, &mut Random::from_seed(7)), wait(&settings, 3, &mut again));
    }
}
