use crate::authentication::Authentication;
use crate::checksum::ChecksumForm;
use crate::layout::AUTH_DATA_LEN;

/// What a message has beyond the fields that all have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    V2 { authentication: Authentication },
    V3 { checksum_form: ChecksumForm },
}

impl Format {
    pub(crate) const fn authentication(self) -> Authentication {
        match self {
            Self::V2 { authentication } => authentication,
            Self::V3 { .. } => Authentication::None,
        }
    }

    pub(crate) const fn checksum_form(self) -> ChecksumForm {
        match self {
            // RFC 3768 §5.3.8
            Self::V2 { .. } => ChecksumForm::MessageOnly,
            Self::V3 { checksum_form } => checksum_form,
        }
    }

    /// Bytes after the addresses.
    pub(crate) const fn auth_data_len(self) -> usize {
        match self {
            Self::V2 { .. } => AUTH_DATA_LEN,
            Self::V3 { .. } => 0,
        }
    }
}
