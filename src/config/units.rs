//! Owns how durations, sizes and rates are written.
//! Never knows which are too small or too large.

use crate::throttle::Rate;
use std::time::Duration;

/// Takes `"30s"`: a whole number and `ms`, `s`, `m`, `h` or `d`. The error says what to write.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = number_and_unit(text, "\"30s\"")?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        other => return Err(other_unit(number, other, &DURATION_UNITS, "ms, s, m, h or d")),
    };
    let total = number.checked_mul(milliseconds).ok_or("write a smaller number")?;
    Ok(Duration::from_millis(total))
}

/// Takes `"64KiB"`: a whole number and `B`, `KiB`, `MiB` or `GiB`; octets. The error says what to write.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = number_and_unit(text, "\"64KiB\"")?;
    let factor: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => return Err(other_unit(number, other, &SIZE_UNITS, "B, KiB, MiB or GiB")),
    };
    number.checked_mul(factor).ok_or_else(|| "write a smaller number".to_owned())
}

/// Takes `"10/s burst 40"`. The error says what to write.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    Rate::parse(text).map_err(|error| error.to_string())
}

/// Takes `"8MiB/s burst 32MiB"`, an octet an event. The error says what to write.
pub(super) fn byte_rate(text: &str) -> Result<Rate, String> {
    let form = || "a rate of octets is written as \"8MiB/s burst 32MiB\"".to_owned();
    let (per, burst) = match text.split_ascii_whitespace().collect::<Vec<_>>().as_slice() {
        [per] => (*per, None),
        [per, "burst", burst] => (*per, Some(*burst)),
        _ => return Err(form()),
    };
    let per = size(per.strip_suffix("/s").ok_or_else(form)?)?;
    let burst = burst.map_or(Ok(per), size)?;
    let burst = u32::try_from(burst).map_err(|_| "a burst is less than \"4GiB\"")?;
    // Rounded down: a peer that keeps exactly to the rate is never closed.
    let interval = 1_000_000_000_u64.checked_div(per).filter(|_| burst > 0);
    let interval = interval.ok_or("a rate or burst of zero would refuse everything")?;
    if interval == 0 {
        return Err("a rate of octets is at most \"953MiB/s\"".to_owned());
    }
    Ok(Rate { interval: Duration::from_nanos(interval), burst })
}

/// As a person would write it.
pub(super) fn show_duration(duration: &Duration) -> String {
    let milliseconds = duration.as_millis();
    for (factor, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if milliseconds.is_multiple_of(factor) && milliseconds > 0 && !(unit == "d" && milliseconds == factor)
        {
            return format!("{}{unit}", milliseconds / factor);
        }
    }
    if milliseconds == 0 { "0s".to_owned() } else { format!("{milliseconds}ms") }
}

/// As a person would write it.
pub(super) fn show_size(size: u64) -> String {
    for (factor, unit) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if size.is_multiple_of(factor) && size > 0 {
            return format!("{}{unit}", size / factor);
        }
    }
    format!("{size}B")
}

/// As a person would write it.
pub(super) fn show_rate(rate: &Rate) -> String {
    let nanoseconds = rate.interval.as_nanos().max(1);
    let per = [(1, "s"), (60, "m"), (3600, "h")].into_iter().find_map(|(seconds, unit)| {
        let window: u128 = seconds * 1_000_000_000;
        window.is_multiple_of(nanoseconds).then(|| format!("{}/{unit}", window / nanoseconds))
    });
    format!("{} burst {}", per.unwrap_or_else(|| format!("1/{nanoseconds}ns")), rate.burst)
}

const DURATION_UNITS: [(&str, &[&str]); 5] = [
    ("ms", &["msec", "millis", "milliseconds"]),
    ("s", &["sec", "secs", "second", "seconds"]),
    ("m", &["min", "mins", "minute", "minutes"]),
    ("h", &["hr", "hour", "hours"]),
    ("d", &["day", "days"]),
];

const SIZE_UNITS: [(&str, &[&str]); 4] = [
    ("B", &["byte", "bytes", "octets"]),
    ("KiB", &["k", "kb", "kib"]),
    ("MiB", &["m", "mb", "mib"]),
    ("GiB", &["g", "gb", "gib"]),
];

fn number_and_unit<'a>(text: &'a str, example: &str) -> Result<(u64, &'a str), String> {
    if text.trim_start().starts_with('-') {
        return Err(format!("it must not be negative; write such as {example}"));
    }
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(end).unwrap_or((text, ""));
    if number.is_empty() || unit.starts_with(['.', ',']) {
        return Err(format!("write a whole number and a unit, such as {example}"));
    }
    let number = number.parse().map_err(|_| "write a smaller number".to_owned())?;
    Ok((number, unit))
}

fn other_unit(number: u64, unit: &str, units: &[(&str, &[&str])], all: &str) -> String {
    let wanted = unit.trim().to_ascii_lowercase();
    let meant = units
        .iter()
        .find(|(right, aliases)| right.eq_ignore_ascii_case(&wanted) || aliases.contains(&wanted.as_str()));
    match meant {
        Some((right, _)) => format!("did you mean \"{number}{right}\"? The units are {all}"),
        None => format!("the units are {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        for (text, milliseconds) in [
            ("0s", 0),
            ("1ms", 1),
            ("30s", 30_000),
            ("2m", 120_000),
            ("24h", 86_400_000),
            ("3d", 259_200_000),
        ] {
            let parsed = duration(text).expect(text);
            assert_eq!(parsed, Duration::from_millis(milliseconds), "{text}");
            assert_eq!(show_duration(&parsed), text);
        }
        for bad in [
            "",
            "s",
            "30",
            "-1s",
            "1.5s",
            "1,5s",
            " 1s",
            "1 s",
            "1s ",
            "+1s",
            "1S",
            "1_000s",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_size_is_a_whole_number_and_a_binary_unit() {
        for (text, octets) in
            [("0B", 0), ("1B", 1), ("64KiB", 65_536), ("16MiB", 16 << 20), ("2GiB", 2 << 30)]
        {
            assert_eq!(size(text), Ok(octets), "{text}");
            assert_eq!(show_size(octets), text);
        }
        for bad in ["", "B", "64", "64KB", "64kib", "1.5MiB", "-1B", "1 KiB", "18446744073709551615KiB"] {
            assert!(size(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_wrong_unit_is_told_what_was_meant() {
        assert!(duration("10sec").unwrap_err().contains("\"10s\""));
        assert!(duration("10S").unwrap_err().contains("\"10s\""));
        assert!(size("64KB").unwrap_err().contains("\"64KiB\""));
        assert!(size("64k").unwrap_err().contains("\"64KiB\""));
        assert!(size("64Q").unwrap_err().contains("B, KiB, MiB or GiB"));
    }

    #[test]
    fn a_rate_has_events_per_time_and_a_burst() {
        let rate_of = |per_event, burst| Ok(Rate { interval: per_event, burst });
        assert_eq!(rate("10/s burst 40"), rate_of(Duration::from_millis(100), 40));
        assert_eq!(rate("30/m burst 1"), rate_of(Duration::from_secs(2), 1));
        assert_eq!(rate("1/h burst 2"), rate_of(Duration::from_secs(3600), 2));
        assert_eq!(rate("10/s"), rate("10/s burst 10"));
        for text in ["10/s burst 40", "30/m burst 1", "1/h burst 2"] {
            assert_eq!(rate(text).map(|rate| show_rate(&rate)).as_deref(), Ok(text));
        }
        for bad in [
            "",
            "10",
            "10/s burst",
            "10/s burst 0",
            "0/s burst 1",
            "-1/s burst 1",
            "10/d burst 1",
            "10/s burst 1 x",
            "1.5/s burst 1",
            "+1/s burst 1",
            "5000000000/s burst 1",
            "4294967295/s burst 1",
        ] {
            assert!(rate(bad).is_err(), "{bad:?}");
        }
    }
}
