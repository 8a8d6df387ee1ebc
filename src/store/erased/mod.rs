//! What was erased, as whoever reads and writes pages has to know it.

pub(crate) mod items;
pub(crate) mod known;

use rusqlite::Connection;

use crate::store::Result;
use crate::store::query::Statements as _;

/// Whether anything is to be kept out of the archive: most archives need not ask any further.
pub(crate) fn any(db: &Connection) -> Result<bool> {
    db.one(
        "SELECT EXISTS (SELECT 1 FROM erasure) OR EXISTS (SELECT 1 FROM configuration WHERE floor_ms IS NOT NULL)",
        [],
    )
}
