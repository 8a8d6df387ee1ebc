//! Parquet: the months that its files are named by.

use archiver::export::Format;

use crate::support::export::{export, files, job, odd_archive};

#[test]
fn a_time_beyond_all_calendars_is_in_the_last_month_or_the_first() {
    let bench = odd_archive();
    bench
        .other()
        .execute_batch(
            "UPDATE message SET sent_at_ms = 9007199254740991 WHERE id = (SELECT max(id) FROM message);
             UPDATE message SET sent_at_ms = -9007199254740991 WHERE id = (SELECT min(id) FROM message);
             UPDATE message SET sent_at_ms = -1 WHERE id = (SELECT id FROM message ORDER BY id LIMIT 1 OFFSET 1);",
        )
        .unwrap();
    let out = bench.dir.path().join("lake");
    let done = export(&bench.path(), &job(Format::Parquet, &out)).unwrap();
    let count: i64 = bench.one("SELECT count(*) FROM message");
    assert_eq!(i64::try_from(done.messages).unwrap(), count);
    let months: String = files(&out).iter().map(|f| f.to_str().unwrap().to_owned()).collect();
    for month in ["month=9999-12", "month=0000-01", "month=1969-12"] {
        assert_eq!(months.matches(month).count(), 1, "{months}");
    }
}
