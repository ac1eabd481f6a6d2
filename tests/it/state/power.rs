//! The power is cut at the instant of an acknowledgement: what was acknowledged is on the disk.
//!
//! The disk is an ext4 image whose file is copied at that instant: it holds what the kernel has sent to the device and
//! nothing of what it keeps in memory. (What a device keeps in a cache of its own is beyond this.)

use std::path::Path;

use super::{advance, entry, link_at, open};
use crate::support::image::{Image, can_mount};

const CUTS: usize = 100;
const IMAGE_MIB: u64 = 24;

#[tokio::test]
async fn a_power_cut_at_any_acknowledgement_loses_nothing() {
    if !can_mount("power cuts at the instant of an acknowledged commit") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let disk = Image::create(&path("disk"), IMAGE_MIB, &path("mounted"));
    let mut random = fastrand::Rng::with_seed(100);
    let (mut fresh, mut warm) = (0, 0);
    let mut cuts = 0;
    while cuts < CUTS {
        // Every other disk is cut at the very first commits, when files and folders are new themselves.
        let state_directory = format!("state-{cuts}");
        let state = open(&path("mounted").join(&state_directory)).await;
        let commits = if cuts % 2 == 0 { 1 } else { random.u64(5..15) };
        for generation in 0..commits {
            advance(&state, "log/siem", generation).await;
            state.record(&format!("command-{generation}"), 0, entry("\"done\"")).await.unwrap();
            disk.cut_power(&path("cut"));
            check(&path("cut"), &path("after"), &state_directory, generation + 1).await;
            if generation == 0 {
                fresh += 1;
            } else {
                warm += 1;
            }
            cuts += 1;
        }
        state.close().await.unwrap();
        std::fs::remove_dir_all(path("mounted").join(&state_directory)).unwrap();
    }
    println!("power cuts: {cuts} ({fresh} on new stores, {warm} on others), lost: 0");
}

async fn check(cut: &Path, mount_on: &Path, state_directory: &str, acknowledged: u64) {
    let _disk = Image::mount(cut, mount_on);
    let state = open(&mount_on.join(state_directory)).await;
    let stored = state.load("log/siem").await.unwrap().expect("the cursor is gone");
    assert_eq!((stored.generation, stored.cursor.link), (acknowledged, link_at(acknowledged)));
    for command in 0..acknowledged {
        assert!(
            state.entry(&format!("command-{command}")).await.unwrap().is_some(),
            "command {command} is gone"
        );
    }
    state.close().await.unwrap();
}
