//! An entry of the journal that cannot be read concerns its command alone.

use jiff::Timestamp;
use oktabus::state::{Entry, Opening, Places, State};

use super::scene::{Scene, essence};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_cannot_be_read_is_set_aside_and_everything_else_goes_on() {
    let mut scene = Scene::start("allow = [\"*\"]").await;
    scene.plant_user("ada@acme.com").await;
    assert_eq!(essence(&scene.ask("before", "user.get", "ada@acme.com").await), ("done", ""));
    scene.stop().await;
    let state = State::open(Places::within(scene.workplace.path("state")), Opening::Trusted).await.unwrap();
    let entry =
        Entry { received_at: Timestamp::now(), content: "{\"stage\":\"from the future\"}".to_owned() };
    state.record("hr/spoiled", 0, entry).await.unwrap();
    state.close().await.unwrap();
    drop(state);
    scene.resume();
    let spoiled = scene.ask("spoiled", "user.suspend", "ada@acme.com").await;
    assert_eq!(essence(&spoiled), ("failed", "journal_unreadable"), "{spoiled}");
    assert_eq!(essence(&scene.ask("after", "user.suspend", "ada@acme.com").await), ("done", ""));
    let letters = scene.dead_letters();
    assert!(letters.contains("spoiled") && letters.contains("journal"), "{letters}");
    assert_eq!(letters.lines().count(), 1, "{letters}");
    let again = scene.ask("spoiled", "user.suspend", "ada@acme.com").await;
    assert_eq!(essence(&again), ("failed", "journal_unreadable"));
    assert_eq!(scene.writes().await, ["user.lifecycle.suspend"], "it is not known whether it was done");
}
