//! Groups by key bytes, each with a slot in every accumulator column.

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use hashbrown::HashTable;

use super::float_sum::take;
use super::state::StateColumn;
use crate::model::RowBuf;
use crate::model::bytes::remix;
use crate::model::codec::RowCodec;
use crate::model::{Changes, SqlResult};
use crate::plan::lir::Aggregate;

/// A hash table of groups and their accumulators.
pub(crate) struct Groups {
    /// Encodes the group columns; a row is a key.
    pub codec: RowCodec,
    columns: Vec<usize>,
    /// By scrambled word: a word may be the key itself, whose bits differ in a few places only.
    table: HashTable<u32>,
    words: Vec<u64>,
    keys: Vec<Box<[u8]>>,
    /// Rows per group.
    pub rows: Vec<i64>,
    pub states: Vec<StateColumn>,
    free: Vec<u32>,
    key_bytes: usize,
    // Reused between batches.
    encoded: RowBuf,
    slots: Vec<u32>,
    scratch: RowBuf,
}

impl Groups {
    /// No groups. `schema` is the reduce's input, its first `key` columns the group.
    pub fn new(schema: &SchemaRef, key: usize, aggregates: &[Aggregate]) -> SqlResult<Groups> {
        let fields: Vec<_> = (0..key).map(|i| (schema.field(i).data_type().clone(), Default::default())).collect();
        let states = aggregates.iter().map(|a| {
            let argument =
                schema.fields().get(a.column).map_or(arrow::datatypes::DataType::Null, |f| f.data_type().clone());
            StateColumn::new(a.clone(), argument)
        });
        Ok(Groups {
            codec: RowCodec::new(&fields, key)?,
            columns: aggregates.iter().map(|a| a.column).collect(),
            table: HashTable::new(),
            words: vec![],
            keys: vec![],
            rows: vec![],
            states: states.collect::<SqlResult<_>>()?,
            free: vec![],
            key_bytes: 0,
            encoded: RowBuf::default(),
            slots: vec![],
            scratch: RowBuf::default(),
        })
    }

    /// The group's slot, if there is one.
    pub fn find(&self, word: u64, key: &[u8]) -> Option<u32> {
        let (words, keys) = (&self.words, &self.keys);
        self.table.find(remix(word), |s| words[*s as usize] == word && *keys[*s as usize] == *key).copied()
    }

    /// The group's slot, made if there is none.
    pub fn slot(&mut self, word: u64, key: &[u8]) -> u32 {
        if let Some(slot) = self.find(word, key) {
            return slot;
        }
        self.key_bytes += key.len();
        let slot = match self.free.pop() {
            Some(slot) => {
                (self.words[slot as usize], self.keys[slot as usize]) = (word, key.into());
                slot
            }
            None => {
                self.words.push(word);
                self.keys.push(key.into());
                self.rows.push(0);
                self.states.iter_mut().for_each(StateColumn::push_slot);
                u32::try_from(self.words.len() - 1).expect("fewer than 4 billion groups")
            }
        };
        let words = &self.words;
        self.table.insert_unique(remix(word), slot, |s| remix(words[*s as usize]));
        slot
    }

    /// Key columns and aggregates of groups; those that overflow are NULL and marked in `failed`.
    pub fn columns(&self, slots: &[u32], failed: &mut [bool]) -> SqlResult<Vec<ArrayRef>> {
        let mut columns = self.codec.decode_keys(slots.iter().map(|s| &*self.keys[*s as usize]))?;
        for state in &self.states {
            columns.push(state.finish(slots, failed)?);
        }
        Ok(columns)
    }

    /// Forgets a group without rows.
    pub fn release_if_empty(&mut self, slot: u32) {
        let rows = self.rows[slot as usize];
        assert!(rows >= 0, "a group holds {rows} rows");
        if rows == 0 {
            self.release(slot);
        }
    }

    fn release(&mut self, slot: u32) {
        let hash = remix(self.words[slot as usize]);
        if let Ok(entry) = self.table.find_entry(hash, |s| *s == slot) {
            entry.remove();
        }
        self.key_bytes -= self.keys[slot as usize].len();
        self.keys[slot as usize] = Box::default();
        self.free.push(slot);
    }

    /// Adds a batch of input rows.
    pub fn update(&mut self, changes: &Changes) -> SqlResult<()> {
        let rows = changes.diffs.len();
        let mut encoded = std::mem::take(&mut self.encoded);
        encoded.clear();
        let keys: Vec<ArrayRef> = changes.batch.columns()[..self.codec.key_columns()].to_vec();
        self.codec.encode_keys(&keys, rows, &mut encoded)?;
        self.slots.clear();
        let mut last: Option<(usize, u32)> = None;
        for (at, (word, key, _)) in encoded.iter().enumerate() {
            let slot = match last {
                // Neighbours often share a group: a hot product, a minute.
                Some((before, slot)) if encoded.row(before) == key => slot,
                _ => self.slot(word, key),
            };
            last = Some((at, slot));
            self.slots.push(slot);
        }
        self.encoded = encoded;
        for (slot, diff) in self.slots.iter().zip(&changes.diffs) {
            self.rows[*slot as usize] += diff;
        }
        for (state, column) in self.states.iter_mut().zip(&self.columns) {
            state.update(&self.slots, &changes.diffs, changes.batch.columns().get(*column), &mut self.scratch)?;
        }
        Ok(())
    }

    /// Writes every group as a row `key, row count, states`, and forgets them.
    pub fn drain(&mut self, out: &mut RowBuf) {
        let mut row = vec![];
        for slot in 0..self.words.len() {
            row.clear();
            row.extend_from_slice(&self.keys[slot]);
            row.extend_from_slice(&self.rows[slot].to_le_bytes());
            self.states.iter().for_each(|s| s.write(slot, &mut row));
            out.push(self.words[slot], &row, 1);
        }
        self.table.clear();
        self.words.clear();
        self.keys.clear();
        self.key_bytes = 0;
        self.rows.clear();
        self.states.iter_mut().for_each(StateColumn::clear);
    }

    /// Adds the changes in a row that [`Groups::drain`] wrote.
    pub fn merge(&mut self, slot: u32, row: &[u8]) {
        let mut bytes = &row[self.codec.key(row).len()..];
        self.rows[slot as usize] += i64::from_le_bytes(take(&mut bytes));
        for state in &mut self.states {
            state.merge(slot as usize, &mut bytes);
        }
    }

    /// Groups held and bytes they take, about.
    pub fn size(&self) -> (usize, usize) {
        const SLOT_BYTES: usize = 48; // key pointer and allocation, word, row count, table entry
        let states = self.states.iter().map(StateColumn::heap_bytes).sum::<usize>();
        (self.words.len() - self.free.len(), self.key_bytes + self.words.len() * SLOT_BYTES + states)
    }
}
