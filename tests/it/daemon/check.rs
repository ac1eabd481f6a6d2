//! `oktabus check` against a real (simulated) org and real sinks.

use super::TO_FILES;
use crate::support::{daemon::Workplace, okta::Okta};

#[tokio::test]
async fn what_works_is_shown_as_a_table() {
    let okta = Okta::start(&["--backlog", "10", "--rate", "0", "--rate-limit", "120"]).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("120 requests a minute"), "{}", said.stdout);
    assert!(said.stdout.lines().all(|line| line.contains("ok  ")), "{}", said.stdout);
    assert!(!workplace.path("state").exists(), "a check leaves nothing behind");
}

#[tokio::test]
async fn what_does_not_work_is_told_with_the_reason() {
    let okta = Okta::with_backlog(10).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    workplace.write_token("00wrong");
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(69));
    assert!(said.stdout.contains("FAIL") && said.stdout.contains("E0000011"), "{}", said.stdout);

    let filter = TO_FILES.replace("poll_interval = \"200ms\"", "filter = 'eventType eqq \"x\"'");
    let workplace = Workplace::new(&okta, &filter);
    let said = workplace.oktabus(&["check"]).await;
    assert_eq!(said.code, Some(69));
    assert!(said.stdout.contains("eqq"), "{}", said.stdout);
}
