//! The preparation of a request, before a connection is taken.

use crate::backend::Backend;
use crate::exchange::{RequestBody, RequestFacts};
use crate::ffi::mod_proxy::backend_url::Uri;
use crate::ffi::request::call::Call;
use crate::ffi::request::forward_request::{self, Target};
use crate::ffi::state::request_state::Upload;
use crate::proxy::{Failure, Prepared, ProxyError, RequestError, is_idempotent};

impl Call<'_> {
    /// Reads the first piece of an announced body, then builds the packet: every error in the request
    /// shows before a connection is taken. `route` is that of the request's session.
    ///
    /// # Errors
    /// The request itself is at fault, or its client has failed. Nothing of the request has been sent.
    pub(crate) fn prepare(
        &self,
        uri: &Uri<'_>,
        route: Option<&[u8]>,
        backend: &Backend,
        upload: &mut Option<Upload>,
    ) -> Result<Prepared, Failure> {
        self.prepared(uri, route, backend, upload).map_err(Failure::before_connection)
    }

    fn prepared(
        &self,
        uri: &Uri<'_>,
        route: Option<&[u8]>,
        backend: &Backend,
        upload: &mut Option<Upload>,
    ) -> Result<Prepared, ProxyError> {
        let request = self.request;
        let upload = match upload {
            Some(upload) => upload,
            none => none.insert(Upload::of(request)?),
        };
        // A piece that was read for a member that did not take the request is sent to this one.
        upload.body.unread();
        let mut first_piece = None;
        if upload.reads_ahead {
            let at_most = backend.packet_limit().for_first_body().max_body();
            first_piece = Some(upload.body.read(request, at_most)?.len);
            if !upload.body.has_length() {
                // An input filter has unpacked the body and removed its length.
                upload.kind = RequestBody::OnRequest;
                upload.length = None;
            }
        }
        let target = Target {
            path: uri.path,
            query: uri.query,
            route,
            drop_body_headers: request.is_error_document(),
        };
        let limit = backend.packet_limit().for_request();
        let packet = forward_request::forward_request(request, self.worker, target, limit)
            .map_err(RequestError::from)?;
        Ok(Prepared {
            packet,
            path_len: target.path.len() + target.query.map_or(0, <[u8]>::len),
            facts: RequestFacts { body: upload.kind, is_head: request.is_header_only() },
            is_idempotent: is_idempotent(request.method()),
            length: upload.length,
            first_piece,
        })
    }
}
