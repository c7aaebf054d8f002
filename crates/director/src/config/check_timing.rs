//! How often a check is made.

use std::num::NonZeroU32;
use std::time::Duration;

use locum_health::Timing;

use super::section::{Report, Section};

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SHORTEST: Duration = Duration::from_millis(10);
const TWO_SECONDS: Duration = Duration::from_secs(2);
const FIVE_SECONDS: Duration = Duration::from_secs(5);

pub(super) fn read(section: &mut Section<'_>, report: &mut Report) -> Option<Timing> {
    let mut time = |key| {
        let entry = section.take(key);
        let value = entry
            .as_ref()
            .map(|entry| entry.duration_within(SHORTEST..=A_DAY, report));
        (entry, value)
    };
    let ((_, interval), (_, fast), (_, down)) = (
        time("interval"),
        time("fast_interval"),
        time("down_interval"),
    );
    let (timeout_entry, timeout) = time("timeout");
    let mut count = |key| {
        let entry = section.take(key);
        entry.map(|entry| NonZeroU32::new(entry.number(1..=1_000, report)?))
    };
    let (rise, fall) = (count("rise"), count("fall"));
    let jitter = section
        .take("jitter_percent")
        .map(|entry| entry.number(0..=50, report));

    let interval = interval.unwrap_or(Some(FIVE_SECONDS))?;
    let fast_interval = fast.unwrap_or(Some(interval))?;
    let down_interval = down.unwrap_or(Some(interval))?;
    let shortest = interval.min(fast_interval).min(down_interval);
    let timeout = timeout.unwrap_or_else(|| Some(TWO_SECONDS.min(shortest)))?;
    if let Some(entry) = timeout_entry
        && timeout > shortest
    {
        let shortest = humantime::format_duration(shortest);
        let wrong = entry.wrong(
            "the timeout is longer than an interval",
            format!("longer than {shortest}"),
        );
        report.add(wrong.help(format!(
            "use at most \"{shortest}\", or probe less often: the next probe would begin before this one has ended"
        )));
        return None;
    }
    let mut timing = Timing::new(interval, timeout).ok()?;
    timing.fast_interval = fast_interval;
    timing.down_interval = down_interval;
    timing.rise = rise.unwrap_or(Some(timing.rise))?;
    timing.fall = fall.unwrap_or(Some(timing.fall))?;
    timing.jitter_percent = jitter.unwrap_or(Some(timing.jitter_percent))?;
    Some(timing)
}
