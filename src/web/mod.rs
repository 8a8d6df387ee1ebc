//! The archive in a browser: pages, and the same as JSON, read-only.
