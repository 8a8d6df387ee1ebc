//! Runs several writers on one lake, one call at a time in an order of the seed's choosing, some of which fail before
//! they took effect, after it, or with an effect that comes later.

use std::sync::{Condvar, Mutex};

use archiver::lake::LakeError;
use archiver::lake::storage::{Created, ListedObject, Storage};
use bytes::Bytes;
use fastrand::Rng;

use super::memory::MemoryStorage;

/// Whose turn it is.
pub(crate) struct Baton {
    turns: Mutex<Turns>,
    changed: Condvar,
    pub(crate) memory: MemoryStorage,
}

struct Turns {
    rng: Rng,
    /// Who waits for a turn, and how many are neither waiting nor done.
    waiting: Vec<usize>,
    running: usize,
    chosen: Option<usize>,
    one_in: u32,
    late: Vec<Late>,
}

/// A call whose effect is yet to come.
enum Late {
    Create(String, Bytes),
    Put(String, Bytes),
    Delete(Vec<String>),
}

enum Fate {
    Works,
    Fails,
    AnswerIsLost,
    ComesLate,
}

/// A writer's way to the lake.
pub(crate) struct Turn<'a> {
    pub(crate) baton: &'a Baton,
    pub(crate) who: usize,
}

impl Baton {
    /// One call in `one_in` fails; none where it is 0.
    pub(crate) fn new(seed: u64, writers: usize, one_in: u32) -> Self {
        let turns = Turns {
            rng: Rng::with_seed(seed),
            waiting: Vec::new(),
            running: writers,
            chosen: None,
            one_in,
            late: Vec::new(),
        };
        Self { turns: Mutex::new(turns), changed: Condvar::new(), memory: MemoryStorage::default() }
    }

    fn choose(&self, turns: &mut Turns) {
        if turns.running == 0 && turns.chosen.is_none() && !turns.waiting.is_empty() {
            // In the order of their numbers, not of their arrival, which the system chooses.
            turns.waiting.sort_unstable();
            let waiting = turns.waiting.len();
            let index = turns.rng.usize(..waiting);
            turns.chosen = Some(turns.waiting.swap_remove(index));
            self.changed.notify_all();
        }
    }

    /// Waits for a turn, and does one call in it.
    fn turn<T>(
        &self,
        who: usize,
        late: Option<Late>,
        call: impl FnOnce() -> Result<T, LakeError>,
    ) -> Result<T, LakeError> {
        let mut turns = self.turns.lock().unwrap();
        turns.waiting.push(who);
        turns.running -= 1;
        self.choose(&mut turns);
        while turns.chosen != Some(who) {
            turns = self.changed.wait(turns).unwrap();
        }
        if !turns.late.is_empty() && turns.rng.u8(..4) == 0 {
            let late = turns.late.len();
            let index = turns.rng.usize(..late);
            self.happens(turns.late.swap_remove(index));
        }
        let one_in = turns.one_in;
        let fate = if one_in == 0 || turns.rng.u32(..one_in) > 0 {
            Fate::Works
        } else {
            [Fate::Fails, Fate::AnswerIsLost, Fate::ComesLate].into_iter().nth(turns.rng.usize(..3)).unwrap()
        };
        let lost = || Err(LakeError::Storage { key: "any".to_owned(), source: "the line is down".into() });
        let answer = match fate {
            Fate::Works => call(),
            Fate::Fails => lost(),
            Fate::AnswerIsLost => call().and_then(|_| lost()),
            Fate::ComesLate => {
                turns.late.extend(late);
                lost()
            }
        };
        turns.chosen = None;
        turns.running += 1;
        answer
    }

    fn happens(&self, late: Late) {
        match late {
            Late::Create(key, bytes) => drop(self.memory.create(&key, bytes).unwrap()),
            Late::Put(key, bytes) => self.memory.put(&key, bytes).unwrap(),
            Late::Delete(keys) => self.memory.delete(&keys).unwrap(),
        }
    }

    /// So many writers begin.
    pub(crate) fn join(&self, writers: usize) {
        self.turns.lock().unwrap().running += writers;
    }

    /// A writer is done.
    pub(crate) fn leave(&self) {
        let mut turns = self.turns.lock().unwrap();
        turns.running -= 1;
        self.choose(&mut turns);
    }

    /// All that was late takes effect.
    pub(crate) fn settle(&self) {
        let late = std::mem::take(&mut self.turns.lock().unwrap().late);
        late.into_iter().for_each(|late| self.happens(late));
    }
}

/// A writer that panics does not let the others wait for it forever.
impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.baton.leave();
        }
    }
}

impl Storage for Turn<'_> {
    fn get(&self, key: &str) -> Result<Option<Bytes>, LakeError> {
        self.baton.turn(self.who, None, || self.baton.memory.get(key))
    }

    fn create(&self, key: &str, bytes: Bytes) -> Result<Created, LakeError> {
        let late = Late::Create(key.to_owned(), bytes.clone());
        self.baton.turn(self.who, Some(late), || self.baton.memory.create(key, bytes))
    }

    fn put(&self, key: &str, bytes: Bytes) -> Result<(), LakeError> {
        let late = Late::Put(key.to_owned(), bytes.clone());
        self.baton.turn(self.who, Some(late), || self.baton.memory.put(key, bytes))
    }

    fn delete(&self, keys: &[String]) -> Result<(), LakeError> {
        self.baton.turn(self.who, Some(Late::Delete(keys.to_vec())), || self.baton.memory.delete(keys))
    }

    fn list(&self, folder: &str) -> Result<Vec<ListedObject>, LakeError> {
        self.baton.turn(self.who, None, || self.baton.memory.list(folder))
    }
}
