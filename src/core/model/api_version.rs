//! The version of LinkupAPI that an installation speaks.

/// A version of LinkupAPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiVersion {
    /// A login token in each request body.
    V1,
    /// Account ids, actions and a standard envelope.
    V2,
}

impl ApiVersion {
    /// As the configuration writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}
