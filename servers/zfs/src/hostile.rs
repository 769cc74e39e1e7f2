//! Tests with hostile pools: blocks whose checksums are right and whose content is not.
//!
//! Every block that is read has a few of its bytes changed after its checksum was verified, as if
//! somebody had made the image so. Whatever comes of it must be an error or some content, in
//! bounded time and memory; never a panic.

#[path = "../tests/fixtures/image.rs"]
mod image;

use crate::{Dataset, FileKind, Filesystem, Node, Pool};
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::vec::Vec;

std::thread_local! {
    /// State of the random numbers, and how many blocks in 256 are changed.
    static CHANGES: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

fn random() -> u64 {
    CHANGES.with(|changes| {
        let (state, rate) = changes.get();
        let state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        changes.set((state, rate));
        state >> 24
    })
}

/// Changes a block that was verified, if a test asks for that.
pub(crate) fn tamper(mut data: Vec<u8>) -> Vec<u8> {
    let rate = CHANGES.with(Cell::get).1;
    if rate == 0 || random() % 256 >= rate {
        return data;
    }
    for _ in 0..=random() % 4 {
        // Most of what a block means stands at its beginning.
        let span = if random() & 1 == 0 { data.len().min(512) } else { data.len() };
        let at = random() as usize % span.max(1);
        let byte = [0, 1, 0xff, 0x80, random() as u8][random() as usize % 5];
        data.get_mut(at).into_iter().for_each(|old| *old = byte);
    }
    data
}

/// Uses a file as a program would; what comes of it does not matter.
fn use_node(filesystem: &Filesystem, node: &Node) {
    let mut piece = vec![0; 64 << 10];
    let _ = filesystem.read(node, 0, &mut piece);
    let _ = filesystem.read(node, node.attributes().size.saturating_sub(100), &mut piece);
    let _ = filesystem.next_data(node, 1);
    let _ = filesystem.read_link(node);
    for name in filesystem.xattr_names(node).unwrap_or_default().iter().take(10) {
        let _ = filesystem.xattr(node, name);
    }
}

fn use_dataset(pool: &Arc<Pool>, dataset: &Dataset) {
    let _ = dataset.properties(pool);
    let Ok(filesystem) = Filesystem::mount(pool.clone(), dataset) else { return };
    let mut waiting = vec![filesystem.root()];
    for _ in 0..120 {
        let Some(node) = waiting.pop().map(|number| filesystem.node(number)) else { return };
        let Ok(node) = node else { continue };
        use_node(&filesystem, &node);
        if node.attributes().kind == FileKind::Directory {
            let _ = filesystem.lookup(&node, b"lib");
            let entries = filesystem.read_directory(&node, 0, 300).unwrap_or_default();
            waiting.extend(entries.iter().map(|entry| entry.object));
        }
    }
}

/// Uses a pool whose blocks change; `rate` in 256 of them.
fn use_hostile(image: &Arc<Vec<u8>>, seed: u64, rate: u64) {
    CHANGES.with(|changes| changes.set((seed, rate)));
    let devices = vec![Box::new(image.clone()) as Box<dyn crate::BlockDevice>];
    if let Ok(pool) = Pool::open(devices, &crate::Options::default()) {
        let pool = Arc::new(pool);
        for dataset in pool.datasets().unwrap_or_default() {
            use_dataset(&pool, &dataset);
        }
        let _ = pool.scrub(&mut |_| {});
    }
    CHANGES.with(|changes| changes.set((0, 0)));
}

fn check(name: &str, cases: u64) {
    let Some(image) = image::unpack(name).map(Arc::new) else { return };
    for seed in 0..cases {
        let start = Instant::now();
        use_hostile(
            &image,
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            [1, 4, 20, 100][seed as usize % 4],
        );
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "seed {seed} took {:?}",
            start.elapsed()
        );
    }
}

#[test]
fn a_pool_as_osv_makes_them_may_be_hostile() {
    check("osv.img", 300);
}

#[test]
fn a_pool_with_all_features_may_be_hostile() {
    check("default.img", 60);
}

#[test]
fn an_old_pool_may_be_hostile() {
    check("legacy-v28.img", 100);
}

#[test]
fn untouched_blocks_stay_as_they_are() {
    assert_eq!(tamper(vec![1, 2, 3]), [1, 2, 3]);
    assert!(image::text("osv.manifest.tsv").is_none_or(|text| text.starts_with('#')));
    assert!(image::open(Vec::new()).is_err());
}
