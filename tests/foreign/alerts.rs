//! The alert rules that are shipped, as Prometheus reads them.

use std::path::Path;

use crate::{out, program};

#[test]
fn each_alert_fires_where_it_should_and_only_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib");
    let check = out(program("promtool").args(["check", "rules"]).arg(folder.join("prometheus-alerts.yml")));
    assert!(check.contains("10 rules found"), "{check}");
    let test =
        out(program("promtool").args(["test", "rules"]).arg(folder.join("prometheus-alerts.test.yml")));
    assert!(test.contains("SUCCESS"), "{test}");
}
