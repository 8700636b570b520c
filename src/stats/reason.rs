//! Why requests fail, as they are counted.

/// What a request failed by. Each failed request of a worker is counted once, by the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorReason {
    /// The backend's name has no address.
    Resolve,
    /// The connection was refused, or failed in another way.
    Connect,
    /// Connecting took too long.
    ConnectTimeout,
    /// A new connection did not answer CPING.
    Cping,
    /// No connection came free within `acquire`.
    Busy,
    /// The container opens the connections, and none came within `acquire`.
    NoneDialled,
    /// `busylimit`.
    BusyLimit,
    /// The backend closed the connection before the first byte of the response.
    Died,
    /// It closed the connection within the response.
    BrokenOff,
    /// No packet came in time.
    ReplyTimeout,
    /// The backend took no more of the request.
    SendTimeout,
    /// A packet began and did not go on.
    HalfPacket,
    /// What came is not AJP, or not in this order.
    Protocol,
    /// Its packet is larger than the backend's packetSize.
    RequestTooLarge,
    /// An answer that `failstatus` lists.
    FailStatus,
    /// The client went away, was too slow, or its request cannot be sent.
    Client,
    /// An error in this module.
    Internal,
}

impl ErrorReason {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 17] = [
        Self::Resolve,
        Self::Connect,
        Self::ConnectTimeout,
        Self::Cping,
        Self::Busy,
        Self::NoneDialled,
        Self::BusyLimit,
        Self::Died,
        Self::BrokenOff,
        Self::ReplyTimeout,
        Self::SendTimeout,
        Self::HalfPacket,
        Self::Protocol,
        Self::RequestTooLarge,
        Self::FailStatus,
        Self::Client,
        Self::Internal,
    ];

    /// The reason as one word in snake case, for metrics and status pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Cping => "cping",
            Self::Busy => "busy",
            Self::NoneDialled => "none_dialled",
            Self::BusyLimit => "busylimit",
            Self::Died => "died",
            Self::BrokenOff => "broken_off",
            Self::ReplyTimeout => "reply_timeout",
            Self::SendTimeout => "send_timeout",
            Self::HalfPacket => "half_packet",
            Self::Protocol => "protocol",
            Self::RequestTooLarge => "request_too_large",
            Self::FailStatus => "failstatus",
            Self::Client => "client",
            Self::Internal => "internal",
        }
    }

    /// Is it the client's doing, and not the backend's or ours?
    pub fn is_the_clients(self) -> bool {
        self == Self::Client
    }
}
