//! The module's messages at level info and above, each with its number.
//!
//! A line in the log begins with the number of its message: `AJP0101: ajp://10.0.0.7:8009: …`.
//! A number stands for one cause. It is never given to another message, not even after its own is gone.
//!
//! | numbers | about |
//! |---|---|
//! | 0001-0099 | start and configuration |
//! | 0100-0199 | requests and connections |
//! | 0200-0299 | balancers and members |
//! | 0300-0399 | reverse connections |
//! | 0400-0499 | ajp-status and its orders |
//! | 0500-0599 | children and their housekeepers |

/// The reader for whom a log line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// An administrator must act.
    Error,
    /// An administrator may want to know.
    Warning,
    /// Something normal that matters.
    Notice,
    /// Caused by a client, or handled by the module itself.
    Info,
}

impl Level {
    /// Its word, as httpd writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warn",
            Self::Notice => "notice",
            Self::Info => "info",
        }
    }
}

/// Declares the messages: number, name, level, and the cause for which the number stands.
macro_rules! messages {
    ($( $number:literal $name:ident $level:ident $cause:literal, )+) => {
        /// A message of the log at level info or above: the cause for which its number stands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Message {
            $( #[doc = $cause] $name, )+
        }

        impl Message {
            /// All of them, by number.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The number with which its lines begin: `AJP` and four digits.
            #[must_use]
            pub const fn number(self) -> &'static str {
                match self {
                    $( Self::$name => concat!("AJP", stringify!($number)), )+
                }
            }

            /// The level of its lines.
            #[must_use]
            pub const fn level(self) -> Level {
                match self {
                    $( Self::$name => Level::$level, )+
                }
            }

            /// The cause, as a sentence.
            #[must_use]
            pub const fn cause(self) -> &'static str {
                match self {
                    $( Self::$name => $cause, )+
                }
            }
        }
    };
}

messages! {
    // Start and configuration.
    0001 BuiltForNewerHttpd Error "The module was built for a newer httpd than the one that loads it.",
    0002 Started Notice "The module has started.",
    0003 NoConfiguration Error "httpd has not created the module's configuration.",
    0004 NoSharedMemory Error "The shared memory of the members cannot be created.",
    0005 NoLocalMember Warning "A balancer has `localonly=On`, but no member has `local=On`.",
    0006 ParkingImpossible Warning "`ProxyAjpParking` has no effect on this server.",
    0007 ParkingFewConnections Notice "A child can hold fewer connections than parking could use.",
    0008 ParkingFewDescriptors Warning "A child has too few file descriptors for parking.",
    0050 BalancerModuleMissing Error "A balancer has `ajp://` members, but mod_proxy_balancer is not loaded.",
    0051 NumberMisread Warning "mod_proxy reads only the digits of a value, and the rest has no effect.",
    0052 MemberParameterUnused Warning "A parameter that chooses members has less effect where it stands, or none.",
    0053 StatusPageHidden Warning "A `ProxyPass` takes the requests for ajp-status.",
    0054 UnknownBalancerParameter Warning "A balancer has no parameter of this name.",

    // Requests and connections.
    0101 ReplyTimeout Error "The container sent nothing for `replytimeout` or `timeout`.",
    0102 SendTimeout Error "The container accepted no more of the request for `timeout`.",
    0103 PartialPacket Error "The rest of a packet did not arrive.",
    0104 ClosedBeforeResponse Error "The container closed the connection before it answered.",
    0105 ClosedMidResponse Error "The container closed the connection in the middle of a response.",
    0106 NotAjp Error "The other end sent something that is not AJP.",
    0107 ConnectFailed Error "The connection to the container could not be opened.",
    0108 ConnectTimeout Error "There was no answer to the attempt to connect.",
    0109 NoAddress Error "The container's host name has no address.",
    0110 PingUnanswered Error "A new connection did not answer CPING.",
    0111 NoFreeConnection Warning "All connections of the pool were in use for `acquire`.",
    0112 BusyLimit Warning "The member had as many requests in flight as `busylimit` allows.",
    0113 FailStatus Error "The application answered with a status that `failstatus` lists.",
    0114 SoftFailStatus Warning "The application answered with a status that `failstatus` lists with a minus sign.",
    0115 RequestTooLarge Warning "The request is larger than the container's `packetSize`.",
    0116 RequestInvalid Info "The client's request cannot be sent with AJP.",
    0117 ClientGone Info "The client closed its connection.",
    0118 ClientAnswered Info "A filter of httpd has answered the client itself.",
    0119 BodyTooShort Info "The request body ended before its announced length.",
    0120 BodyRefused Info "httpd refused the request body.",
    0121 BodyWithheld Warning "An input filter of httpd delivered nothing of the request body.",
    0122 FilterFailed Warning "An output filter of httpd failed on the response.",
    0123 SentAgain Info "A request was resent to the same container.",
    0124 PacketSizeDoubted Warning "A large request was answered with an error, perhaps because of its size.",
    0125 WorkerDisabled Error "A request was for a worker that is disabled or stopped.",
    0126 UrlInvalid Error "The URL to be forwarded is not a URL.",
    0127 UrlForbidden Error "The URL to be forwarded has control characters or spaces.",
    0128 NotInitialised Error "The module is not initialised in a child.",
    0129 InternalError Error "The module has a bug, which ended one request.",
    0130 NoDescriptor Error "A child has no file descriptor left to wait for a connection.",
    0131 RefusedByContainer Warning "The container's connector refused a request with 403, probably because of `secret`.",
    0132 NoSocketFile Error "There is no file at the path of the unix socket.",

    // Balancers and members.
    0201 NoMemberLeft Error "No member of the balancer can take the request.",
    0202 MemberInError Warning "A member is in error: it gets no requests until `retry` has passed.",
    0203 MemberBack Notice "A member that was in error answers again.",
    0204 MemberActivation Notice "A member was drained, stopped or activated, not by an order to ajp-status.",

    // Reverse connections.
    0301 ReverseAddress Error "`reversed=On` is on a worker whose address httpd cannot listen on.",
    0302 ReverseWithoutWorker Error "`ProxyAjpReverse` names no worker.",
    0303 ReverseHealthCheck Error "A worker with reverse connections has `hcmethod`.",
    0304 ReverseTwice Error "Two `ProxyAjpReverse` lines are for the same worker.",
    0305 ReverseOverlap Error "A port of `ProxyAjpReverse` is used twice.",
    0306 ReverseKeyFile Error "A key file cannot be used.",
    0307 ReversePortTaken Error "A port of `ProxyAjpReverse` cannot be opened.",
    0308 ReverseTooMany Error "There are too many `ProxyAjpReverse` lines.",
    0309 ReversePortInUse Error "After a restart, another process has the port of `ProxyAjpReverse`.",
    0310 ReverseFewPorts Warning "A range has fewer ports than there can be children.",
    0311 ReverseUnusedParameter Warning "A parameter has no effect with reverse connections.",
    0312 ReverseKeyFileReadable Warning "Every user of the machine can read a key file.",
    0313 ReverseListening Info "A child listens on a port of a range.",
    0314 ReverseNoPortFree Error "No port of the range is free for a child.",
    0315 ReverseNotAccepting Error "A child cannot accept reverse connections.",
    0316 PeerNotAllowed Warning "A connection came from an address that `allow` does not contain.",
    0317 PeerSpokeFirst Warning "A peer sent data before it was asked to.",
    0318 PeerSilent Warning "A peer did not complete the handshake.",
    0319 PeerWithoutKey Warning "A peer does not have the right key.",
    0320 PeerOfOtherNode Warning "A peer has the right key, but another node name.",
    0321 PeerWithoutCpong Warning "A peer did not answer CPING.",
    0322 NoContainerConnected Error "No container has opened a connection for a while.",
    0323 NoReverseConnectionFree Warning "The container opened no further connection within `acquire`.",
    0350 PeerWithOtherKey Warning "A peer closed the connection when it was to prove that it knows the key.",
    0351 PeerWithoutHello Warning "A peer did not begin the handshake.",
    0352 PeerWithNeedlessKey Warning "A peer began a handshake, but there is no key.",
    0353 ContainerAbsent Warning "No container has connected to a port for a while, though no request needed one.",
    0354 ContainerBack Notice "A container has connected again.",

    // ajp-status and its orders.
    0401 NoCounters Error "The shared memory of the counters cannot be created.",
    0402 OrdersLost Warning "Orders from before the restart are lost, because the module's version has changed.",
    0403 OrderRestored Info "An order from before the restart applies again.",
    0404 OrderDropped Warning "An order no longer applies.",
    0405 OrderNotKept Warning "An order ends with the next restart, because there is no room to keep it.",
    0406 OrderGiven Warning "An operator has given an order.",
    0407 OrderFromOtherHost Warning "An order was refused, because of its Host header.",

    // Children and their housekeepers.
    0501 ChildEndedBusy Info "A child ended with requests in flight.",
    0502 NoRoomForChild Warning "The shared memory has no room for a child.",
    0503 NoRoomForWorker Warning "The shared memory has no room for a worker.",
    0504 NoHousekeeper Error "The housekeeper of a child cannot be started.",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_used_once_and_the_table_is_in_their_order() {
        let numbers: Vec<_> = Message::ALL.iter().map(|message| message.number()).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    }

    #[test]
    fn each_number_is_ajp_and_four_digits_of_a_block() {
        for message in Message::ALL {
            let digits = message.number().strip_prefix("AJP").expect("AJP");
            assert!(digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()), "{digits}");
            assert!(("0001".."0600").contains(&digits), "{digits} is of no block");
        }
    }

    #[test]
    fn each_cause_is_a_sentence() {
        for message in Message::ALL {
            assert!(message.cause().ends_with('.'), "{message:?}");
        }
    }
}
