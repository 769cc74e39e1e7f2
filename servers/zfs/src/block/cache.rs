//! Block cache: contents by what identifies them, the least recently used go first.

use super::store::Block;
use alloc::collections::BTreeMap;

/// What identifies a block's content; see `BlockPointer::identity`.
pub(super) type Key = [u64; 4];

/// Contents of blocks, bounded by their bytes.
#[derive(Debug)]
pub(super) struct Cache {
    limit_bytes: usize,
    bytes: usize,
    clock: u64,
    blocks: BTreeMap<Key, (u64, Block)>,
    /// Keys by when they were last used.
    uses: BTreeMap<u64, Key>,
}

impl Cache {
    pub(super) const fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, bytes: 0, clock: 0, blocks: BTreeMap::new(), uses: BTreeMap::new() }
    }

    pub(super) fn lookup(&mut self, key: &Key) -> Option<Block> {
        let (used, block) = self.blocks.get_mut(key)?;
        self.uses.remove(used);
        self.clock += 1;
        *used = self.clock;
        self.uses.insert(self.clock, *key);
        Some(block.clone())
    }

    pub(super) fn insert(&mut self, key: Key, block: &Block) {
        if block.data.len() > self.limit_bytes / 4 {
            return;
        }
        self.remove(&key);
        self.clock += 1;
        self.bytes += block.data.len();
        self.blocks.insert(key, (self.clock, block.clone()));
        self.uses.insert(self.clock, key);
        while self.bytes > self.limit_bytes {
            let Some((_, oldest)) = self.uses.pop_first() else { return };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some((used, block)) = self.blocks.remove(key) {
            self.uses.remove(&used);
            self.bytes -= block.data.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Order;
    use alloc::sync::Arc;

    fn block(len: usize) -> Block {
        Block { data: Arc::new(alloc::vec![0; len]), order: Order::Little }
    }

    #[test]
    fn the_least_recently_used_block_goes_first_and_the_bound_holds() {
        let mut cache = Cache::new(1000);
        (0..4).for_each(|i| cache.insert([i, 0, 0, 0], &block(250)));
        assert!(cache.lookup(&[0, 0, 0, 0]).is_some());
        cache.insert([9, 0, 0, 0], &block(250));
        assert!(cache.lookup(&[1, 0, 0, 0]).is_none());
        assert!(cache.lookup(&[0, 0, 0, 0]).is_some());
        assert_eq!((cache.bytes, cache.blocks.len(), cache.uses.len()), (1000, 4, 4));
        cache.insert([5, 0, 0, 0], &block(251));
        assert!(cache.lookup(&[5, 0, 0, 0]).is_none(), "too large a part of the cache");
    }
}
