//! Why requests fail, as they are counted.

/// Declares [`ErrorReason`]: after the word of a reason, what makes it the client's fault.
macro_rules! reasons {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $( $(#[doc = $help:literal])+ $variant:ident = $word:literal $(($fault:ident))?, )+
    }) => {
        words! {
            $(#[$meta])*
            $vis enum $name { $( $(#[doc = $help])+ $variant = $word, )+ }
        }

        impl $name {
            /// Whether it is the client's doing, and neither the backend's nor this module's.
            #[must_use]
            pub const fn is_the_clients(self) -> bool {
                match self {
                    $( Self::$variant => false $(|| $fault)?, )+
                }
            }
        }
    };
}

/// Marks a reason that is the client's fault.
const CLIENT: bool = true;

reasons! {
    /// Why a request failed. Each failed request of a worker is counted once, by its last failure.
    ///
    /// A reason is an entry here. The word is what docs/operations.md explains ("Why requests fail").
    pub enum ErrorReason {
        /// The backend's name has no address.
        Resolve = "resolve",
        /// The connection was refused, or failed in another way.
        Connect = "connect",
        /// Connecting took too long.
        ConnectTimeout = "connect_timeout",
        /// A new connection did not answer CPING.
        Cping = "cping",
        /// No connection became free within `acquire`.
        Busy = "busy",
        /// The container opens the connections, and opened none within `acquire`.
        NoInboundConnection = "none_dialled",
        /// As many requests were in flight as `busylimit` allows.
        BusyLimit = "busylimit",
        /// The backend closed the connection before the first byte of the response.
        ClosedBeforeResponse = "died",
        /// The backend closed the connection in the middle of the response.
        ClosedMidResponse = "broken_off",
        /// The backend sent nothing in time.
        ReplyTimeout = "reply_timeout",
        /// The backend accepted no more of the request.
        SendTimeout = "send_timeout",
        /// The rest of a packet did not arrive.
        PartialPacket = "half_packet",
        /// The backend sent something that is not AJP, or in the wrong order.
        Protocol = "protocol",
        /// The request's packet is larger than the backend's packetSize.
        RequestTooLarge = "request_too_large",
        /// `failstatus` lists the status of the response.
        FailStatus = "failstatus",
        /// The client went away, was too slow, or its request cannot be sent.
        Client = "client" (CLIENT),
        /// An error in this module or in a filter of httpd.
        Internal = "internal",
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorReason;

    #[test]
    fn one_reason_is_the_client_s_fault() {
        let of_clients = ErrorReason::ALL.into_iter().filter(|reason| reason.is_the_clients());
        assert_eq!(of_clients.collect::<Vec<_>>(), [ErrorReason::Client]);
    }
}
