//! A call of the scheme handler that gives its thread back where it has to wait.

use std::ffi::c_int;
use std::time::Instant;

use crate::ffi::child::counted_request::CountedRequest;
use crate::ffi::guard::guard_or;
use crate::ffi::httpd::handler_status::HandlerStatus;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::server_conf::ProxyConf;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::request::after_parking;
use crate::ffi::request::call::Call;
use crate::ffi::request::client::HttpdClient;
use crate::ffi::request::forwarding::Forwarding;
use crate::ffi::request::outcome;
use crate::ffi::request::response_progress::ResponseProgress;
use crate::ffi::state::connection_state::{ConnectionState, Wait, Waiting};
use crate::ffi::state::request_state::RequestState;
use crate::ffi::state::server_state::ServerState;
use crate::ffi::sys;
use crate::net::{ClientInterest, NetError, WaitSet, Woken};
use crate::proxy::conversation::Context;
use crate::proxy::{ParkedRequest, Progress};
use crate::shared::Busy;
use crate::stats::{MemberStats, ParkedGauge};

/// A call that may outlast the hook in which mod_proxy has made it. Dropped at the latest with the request's
/// pool, before the memory that it points to.
pub(crate) struct ParkedCall {
    // Declared, so dropped, first: its connection is closed before anything else goes.
    parked: ParkedRequest,
    response: ResponseProgress,
    forwarding: Forwarding,
    counted: Option<CountedRequest>,
    /// Counts it as parked, from one step to the next.
    gauge: Option<ParkedGauge>,
    worker: *mut sys::proxy_worker,
    conf: *mut sys::proxy_server_conf,
}

impl ParkedCall {
    /// Begins, and goes on to the end or to the first wait.
    #[cold]
    pub(crate) fn begin(
        call: &Call<'_>,
        forwarding: Forwarding,
        mut response: ResponseProgress,
        busy: Option<Busy<'_>>,
    ) -> HandlerStatus {
        let mut parked = None;
        let begun = call.with_client(&mut response, |mut client| {
            parked = Some(ParkedRequest::new(&context(&forwarding, &mut client)));
            HandlerStatus(sys::SUSPENDED)
        });
        let Some(parked) = parked else { return begun };
        let key = forwarding.known.member;
        let counted = busy.map(|busy| CountedRequest::new(busy, key, call.child));
        let (worker, conf) = (call.worker.as_ptr(), call.conf.as_ptr());
        let gauge = None;
        Box::new(Self { parked, response, forwarding, counted, gauge, worker, conf }).advance(call)
    }

    /// Goes on to the end, or to the next wait.
    fn advance(mut self: Box<Self>, call: &Call<'_>) -> HandlerStatus {
        loop {
            let wait = match self.step(call) {
                Ok(ended) => return ended,
                Err(wait) => wait,
            };
            let state = ConnectionState::of(call.request.client_connection());
            self.gauge = self.forwarding.known.stats.as_ref().map(MemberStats::parked);
            let arm = |this: &mut Self, set: &WaitSet| this.arm(call, set);
            match state.park(call.request, self, wait, arm) {
                Ok(()) => return HandlerStatus(sys::SUSPENDED),
                Err(this) => self = this,
            }
            self.gauge = None;
            self.parked.wait_in_place();
        }
    }

    /// Goes on as far as it can.
    ///
    /// # Errors
    /// It has to wait.
    fn step(&mut self, call: &Call<'_>) -> Result<HandlerStatus, Wait> {
        let Self { parked, response, forwarding, counted, .. } = self;
        let mut wait = None;
        let ended = call.with_client(response, |mut client| {
            match parked.advance(&mut context(forwarding, &mut client)) {
                Progress::Waits { until, for_client } => {
                    wait = Some(Wait { until, client: client_interest(call, for_client) });
                    HandlerStatus(sys::SUSPENDED)
                }
                Progress::Ended => {
                    let (result, traffic) = parked.take_end();
                    let finish = |busy: Option<&Busy<'_>>| {
                        call.finish(forwarding, client, busy, result, &traffic)
                    };
                    match counted {
                        Some(counted) => counted.with_busy(finish),
                        None => finish(None),
                    }
                }
            }
        });
        wait.map_or(Ok(ended), Err)
    }

    fn arm(&mut self, call: &Call<'_>, set: &WaitSet) -> Result<(), NetError> {
        let Self { parked, response, forwarding, .. } = self;
        let mut armed = Ok(());
        call.with_client(response, |mut client| {
            armed = parked.arm(&context(forwarding, &mut client), set);
            HandlerStatus(sys::SUSPENDED)
        });
        armed
    }

    /// The wait is over, or the client has gone.
    fn woken(&mut self, call: &Call<'_>, woken: Woken) {
        let Self { parked, response, forwarding, .. } = self;
        let connection = call.request.client_connection();
        call.with_client(response, |mut client| {
            let mut context = context(forwarding, &mut client);
            if let Some(state) = ConnectionState::existing(connection) {
                state.with_set(|set| parked.disarm(&context, set));
            }
            if woken.client_gone {
                connection.abort();
                parked.client_gone(&mut context);
            } else if woken.client_writable {
                parked.client_is_ready();
            }
            HandlerStatus(sys::SUSPENDED)
        });
    }

    /// The call as it was, on this thread.
    fn call<'r>(&self, request: Request<'r>) -> Option<Call<'r>> {
        let child = ServerState::child_of(request.server())?;
        // SAFETY: mod_proxy's worker and configuration, which outlive the request.
        unsafe {
            Some(Call {
                request,
                worker: Worker::from_ptr(self.worker),
                conf: ProxyConf::from_ptr(self.conf, request.server()),
                child,
                kept: RequestState::of(request),
            })
        }
    }
}

impl ParkedCall {
    /// Goes on after a wait: `in_place`: to the end, waiting in this thread.
    fn go_on_from(
        mut self: Box<Self>,
        request: Request<'_>,
        woken: Woken,
        in_place: bool,
    ) -> HandlerStatus {
        let Some(call) = self.call(request) else {
            return HandlerStatus(sys::HTTP_INTERNAL_SERVER_ERROR as c_int);
        };
        self.gauge = None;
        let internal_error = || outcome::internal_error(request, call.worker, Some(call.child));
        let status = guard_or(internal_error, || {
            self.woken(&call, woken);
            if in_place {
                self.parked.wait_in_place();
            }
            self.advance(&call)
        });
        after_parking::conclude(&call, status)
    }
}

impl Waiting for ParkedCall {
    fn go_on(self: Box<Self>, request: Request<'_>, woken: Woken) -> HandlerStatus {
        self.go_on_from(request, woken, false)
    }

    fn finish(self: Box<Self>, request: Request<'_>, woken: Woken) -> HandlerStatus {
        self.go_on_from(request, woken, true)
    }
}

fn context<'a, 'r>(
    forwarding: &'a Forwarding,
    client: &'a mut HttpdClient<'r>,
) -> Context<'a, HttpdClient<'r>> {
    let Forwarding { known, settings, prepared, .. } = forwarding;
    Context {
        backend: &known.backend,
        settings: &known.settings,
        own: settings,
        request: prepared,
        client,
        now: &Instant::now,
    }
}

/// A client that has sent all it has to say may close its half of the connection and still wait for the
/// answer; the few who do so are asked for in the environment.
fn client_interest(call: &Call<'_>, writable: bool) -> ClientInterest {
    let may_end = call.request.environment().get(c"ajp-half-close").is_some();
    ClientInterest { end: !may_end, writable }
}
