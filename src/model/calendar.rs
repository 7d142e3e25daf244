//! Dates and times of day, in UTC. The calendar is that of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"
//! (2013): years begin in March, eras have 400 of them.

use super::Timestamp;

/// A second as people write it, in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Civil {
    /// The year.
    pub year: i64,
    /// The month, 1 to 12.
    pub month: i64,
    /// The day of the month, 1 to 31.
    pub day: i64,
    /// The hour, 0 to 23.
    pub hour: i64,
    /// The minute, 0 to 59.
    pub minute: i64,
    /// The second, 0 to 59.
    pub second: i64,
}

/// Days from the beginning of year 0, in March, to 1970.
const DAYS_TO_1970: i64 = 719_468;
const DAYS_OF_ERA: i64 = 146_097;

impl Civil {
    /// The second in which `at` lies.
    pub fn of(at: Timestamp) -> Self {
        let (days, seconds) = (at.seconds().div_euclid(86_400), at.seconds().rem_euclid(86_400));
        let days = days + DAYS_TO_1970;
        let (era, day_of_era) = (days.div_euclid(DAYS_OF_ERA), days.rem_euclid(DAYS_OF_ERA));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month, day, hour: seconds / 3_600, minute: seconds / 60 % 60, second: seconds % 60 }
    }

    /// When it begins; `None` if there is no such second, or it is not within the years 0 to 9999.
    pub fn timestamp(self) -> Option<Timestamp> {
        if !(0..=9_999).contains(&self.year) || !(1..=12).contains(&self.month) {
            return None;
        }
        let year = self.year - i64::from(self.month <= 2);
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let month_from_march = (self.month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * DAYS_OF_ERA + day_of_era - DAYS_TO_1970;
        let at = Timestamp((days * 86_400 + self.hour * 3_600 + self.minute * 60 + self.second) * 1_000);
        // The 30th of February is not found again.
        (Self::of(at) == self).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn civil(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> Civil {
        Civil { year, month, day, hour, minute, second }
    }

    #[test]
    fn seconds_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, civil(1970, 1, 1, 0, 0, 0)),
            (-1, civil(1969, 12, 31, 23, 59, 59)),
            (951_782_400, civil(2000, 2, 29, 0, 0, 0)),
            (1_700_000_000, civil(2023, 11, 14, 22, 13, 20)),
            (4_107_542_399, civil(2100, 2, 28, 23, 59, 59)),
            (4_107_542_400, civil(2100, 3, 1, 0, 0, 0)),
        ] {
            assert_eq!(Civil::of(Timestamp(seconds * 1_000 + 999)), expected);
            assert_eq!(expected.timestamp(), Some(Timestamp(seconds * 1_000)));
        }
    }

    #[test]
    fn what_is_in_no_calendar_has_no_timestamp() {
        for wrong in [
            civil(2023, 2, 29, 0, 0, 0),
            civil(2023, 13, 1, 0, 0, 0),
            civil(2023, 1, 0, 0, 0, 0),
            civil(2023, 1, 1, 24, 0, 0),
            civil(2023, 1, 1, 0, 60, 0),
            civil(10_000, 1, 1, 0, 0, 0),
        ] {
            assert_eq!(wrong.timestamp(), None, "{wrong:?}");
        }
    }
}
