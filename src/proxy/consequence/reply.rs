//! The client's reply after a failure.

/// The client's reply after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// This status, with httpd's own error page. For 503, mod_proxy tries another member first.
    Status(u16),
    /// The answer of another member of the balancer; without one, this status.
    Elsewhere(u16),
    /// The response had begun: the client's connection is cut, so that the part that was sent cannot
    /// look complete.
    Cut,
    /// Nothing: the client is gone.
    Nothing,
    /// Nothing more: a filter has answered.
    Answered,
}

impl Reply {
    /// The reply to a request, if a part of the response may have been sent, and another member may be
    /// able to answer.
    pub(super) fn given(self, has_begun: bool, may_go_elsewhere: bool) -> Self {
        match self {
            Self::Status(_) if has_begun => Self::Cut,
            Self::Status(status) if may_go_elsewhere => Self::Elsewhere(status),
            Self::Status(_) | Self::Elsewhere(_) | Self::Cut | Self::Nothing | Self::Answered => {
                self
            }
        }
    }

    /// The status that mod_proxy gets. `None`: a status without a meaning to it.
    #[must_use]
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(status),
            // mod_proxy's status for "try another member".
            Self::Elsewhere(_) => Some(503),
            Self::Cut | Self::Nothing | Self::Answered => None,
        }
    }

    /// The client's status instead of 503, if no other member takes the request.
    #[must_use]
    pub fn instead_of_503(self) -> Option<u16> {
        match self {
            Self::Elsewhere(status) => Some(status),
            Self::Status(_) | Self::Cut | Self::Nothing | Self::Answered => None,
        }
    }

    /// Whether mod_proxy marks a balancer member for it.
    pub(super) fn marks_member(self) -> bool {
        matches!(self.status(), Some(500 | 503))
    }
}
