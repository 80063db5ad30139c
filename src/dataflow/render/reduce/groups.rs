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
    table: HashTable<u32>,
    keys: Keys,
    /// Rows per group.
    pub rows: Vec<i64>,
    pub states: Vec<StateColumn>,
    free: Vec<u32>,
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
        let codec = RowCodec::new(&fields, key)?;
        Ok(Groups {
            keys: Keys::new(&codec),
            codec,
            columns: aggregates.iter().map(|a| a.column).collect(),
            table: HashTable::new(),
            rows: vec![],
            states: states.collect::<SqlResult<_>>()?,
            free: vec![],
            encoded: RowBuf::default(),
            slots: vec![],
            scratch: RowBuf::default(),
        })
    }

    /// The group's slot, if there is one.
    pub fn find(&self, word: u64, key: &[u8]) -> Option<u32> {
        let keys = &self.keys;
        self.table.find(scatter(word), |slot| keys.get(*slot) == key).copied()
    }

    /// The group's slot, made if there is none.
    pub fn slot(&mut self, word: u64, key: &[u8]) -> u32 {
        if let Some(slot) = self.find(word, key) {
            return slot;
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                self.keys.set(slot, key);
                slot
            }
            None => self.push_slot(key),
        };
        let (codec, keys) = (&self.codec, &self.keys);
        self.table.insert_unique(scatter(word), slot, |slot| scatter(codec.word(keys.get(*slot))));
        slot
    }

    /// A new group that no look-up finds yet.
    fn push_slot(&mut self, key: &[u8]) -> u32 {
        let slot = u32::try_from(self.rows.len()).expect("fewer than 4 billion groups");
        self.keys.push(key);
        self.rows.push(0);
        self.states.iter_mut().for_each(StateColumn::push_slot);
        slot
    }

    /// Key columns of groups.
    pub fn keys(&self, slots: &[u32]) -> SqlResult<Vec<ArrayRef>> {
        self.codec.decode_keys(slots.iter().map(|slot| self.keys.get(*slot)))
    }

    /// Aggregates of groups; those that overflow are NULL and marked in `failed`.
    pub fn aggregates(&self, slots: &[u32], failed: &mut [bool]) -> SqlResult<Vec<ArrayRef>> {
        self.states.iter().map(|state| state.finish(slots, &self.rows, failed)).collect()
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
        let hash = scatter(self.codec.word(self.keys.get(slot)));
        if let Ok(entry) = self.table.find_entry(hash, |s| *s == slot) {
            entry.remove();
        }
        self.keys.forget(slot);
        self.free.push(slot);
    }

    /// Adds a batch of input rows. `apart`: rows that do not follow each other get a group each, to be added up later; what is
    /// held then can only be drained.
    pub fn update(&mut self, changes: &Changes, apart: bool) -> SqlResult<()> {
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
                _ if apart => self.push_slot(key),
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

    /// How many groups there are, those without rows included.
    pub fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    /// Writes every group as a row `key, row count, states`, and forgets them.
    pub fn drain(&mut self, out: &mut RowBuf) {
        for slot in 0..self.rows.len() {
            let key = self.keys.get(slot as u32);
            let word = self.codec.word(key);
            out.bytes.extend_from_slice(key);
            out.bytes.extend_from_slice(&self.rows[slot].to_le_bytes());
            self.states.iter().for_each(|s| s.write(slot, &mut out.bytes));
            out.seal(word, 1);
        }
        self.table.clear();
        self.keys.clear();
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
        const SLOT_BYTES: usize = 16; // row count, table entry
        let states = self.states.iter().map(StateColumn::heap_bytes).sum::<usize>();
        (self.len(), self.keys.heap_bytes() + self.rows.len() * SLOT_BYTES + states)
    }
}

/// A word's place in the table. Eight neighbouring words keep together, so that keys that come together (order ids, minutes) are
/// found together; their blocks, and the bits that tell entries of one place apart, are scrambled: a word may be the key itself,
/// whose bits differ in a few places only. Narrow keys stand at the word's upper end.
#[inline(always)]
fn scatter(word: u64) -> u64 {
    const TAG: u64 = 0x7F << 57;
    let low = word ^ word >> 32;
    let place = remix(word & !(7 | 7 << 32)).wrapping_add(low & 7);
    place & !TAG | remix(word) & TAG
}

/// Key bytes by slot.
enum Keys {
    /// One after the other, all of one length.
    Fixed { width: usize, bytes: Vec<u8> },
    /// Of many lengths, and how many bytes in all.
    Varying(Vec<Box<[u8]>>, usize),
}

impl Keys {
    fn new(codec: &RowCodec) -> Keys {
        match codec.key_width() {
            Some(width) => Keys::Fixed { width, bytes: vec![] },
            None => Keys::Varying(vec![], 0),
        }
    }

    fn get(&self, slot: u32) -> &[u8] {
        match self {
            Keys::Fixed { width, bytes } => &bytes[slot as usize * width..][..*width],
            Keys::Varying(keys, _) => &keys[slot as usize],
        }
    }

    fn push(&mut self, key: &[u8]) {
        match self {
            Keys::Fixed { bytes, .. } => bytes.extend_from_slice(key),
            Keys::Varying(keys, total) => {
                keys.push(key.into());
                *total += key.len();
            }
        }
    }

    fn set(&mut self, slot: u32, key: &[u8]) {
        match self {
            Keys::Fixed { width, bytes } => bytes[slot as usize * *width..][..*width].copy_from_slice(key),
            Keys::Varying(keys, total) => {
                *total += key.len();
                keys[slot as usize] = key.into();
            }
        }
    }

    fn forget(&mut self, slot: u32) {
        if let Keys::Varying(keys, total) = self {
            *total -= keys[slot as usize].len();
            keys[slot as usize] = Box::default();
        }
    }

    fn clear(&mut self) {
        match self {
            Keys::Fixed { bytes, .. } => bytes.clear(),
            Keys::Varying(keys, total) => {
                keys.clear();
                *total = 0;
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Keys::Fixed { bytes, .. } => bytes.len(),
            Keys::Varying(keys, total) => total + keys.len() * 24,
        }
    }
}
