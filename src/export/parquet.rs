//! Not yet.
use super::{Export, ExportError, Summary, Watch};
pub(super) fn write(export: &Export<'_>, _: &mut dyn Watch) -> Result<Summary, ExportError> { Ok(export.unchanged()) }
