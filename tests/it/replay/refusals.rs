//! What makes no sense is refused before anything happens, with what to type instead, by the daemon and without one.

use crate::support::{
    daemon::{TO_FILES, Workplace},
    okta::Okta,
};

const SEARCH: &str = r#"
[searches.logins]
org = "acme"
schedule = "0 * * * *"
routes = [{ sink = "files" }]
"#;

/// Arguments and what the refusal says.
const REFUSED: [(&[&str], &str); 9] = [
    (&["--route", "log/flies", "--from", "-1d"], "there is no route `log/flies`; did you mean `log/files`?"),
    (&["--route", "logins/files", "--from", "-1d"], "is a route of a search"),
    (&["--route", "log/files", "--from", "-91d"], "Okta keeps only 90 days"),
    (&["--route", "log/files", "--from", "-1h", "--to", "-2h"], "which is before: exchange --from and --to"),
    (&["--route", "log/files", "--from", "-1h", "--to", "-1h"], "there is nothing in it"),
    (&["--route", "log/files", "--from", "-1h", "--to", "2999-01-01T00:00:00Z"], "in the future"),
    (&["--route", "log/files", "--from", "yesterday"], "--from: `yesterday` is not"),
    (&["--route", "log/files", "--from", "-1h", "--filter", "eventType eqq \"x\""], "^"),
    (&["--route", "log/files", "--from", "-1h", "--slices", "0"], "--slices: 0 is not from 1 to 400"),
];

async fn all_are_refused(workplace: &Workplace) {
    for (arguments, expected) in REFUSED {
        let said = workplace.oktabus(&[&["replay"], arguments].concat()).await;
        assert_eq!(said.code, Some(64), "{arguments:?}: {said:?}");
        assert!(said.stderr.contains(expected), "{arguments:?}: {said:?}");
        assert_eq!(said.stdout, "");
    }
}

#[tokio::test]
async fn nothing_happens_that_makes_no_sense() {
    let okta = Okta::with_backlog(10).await;
    let workplace = Workplace::new(&okta, &format!("{}{SEARCH}", TO_FILES.replace("-90d", "now")));
    all_are_refused(&workplace).await;
    assert_eq!(okta.answered(200).await, 0);
    let daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.phase == "at_tail").await;
    all_are_refused(&workplace).await;
    daemon.terminate().await;
    assert!(daemon.ended().await.success());
}
