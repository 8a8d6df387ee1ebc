//! How far a request has got, so that one that has not been sent can be called off and one that has been paid for is
//! waited for.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

/// One request between its turn and its answer.
#[derive(Debug, Clone, Default)]
pub struct Flight(Arc<FlightState>);

#[derive(Debug, Default)]
struct FlightState {
    sent: AtomicBool,
    off: AtomicBool,
    called_off: Notify,
}

impl Flight {
    /// Keeps the request from being sent. One that has been sent goes on.
    pub fn call_off(&self) {
        self.0.off.store(true, Ordering::Relaxed);
        self.0.called_off.notify_waiters();
    }

    /// Whether it was called off in time.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.0.off.load(Ordering::Relaxed) && !self.0.sent.load(Ordering::Relaxed)
    }

    /// Waits until it is called off in time: for ever, where it is not.
    pub(super) async fn until_off(&self) {
        loop {
            let notified = self.0.called_off.notified();
            if self.is_off() {
                return;
            }
            notified.await;
        }
    }

    /// A request's body. What reads it is about to send it.
    pub(super) fn body(&self, bytes: Vec<u8>) -> Noted {
        Noted { bytes: Some(bytes.into()), flight: self.clone() }
    }
}

/// A body that notes when it is read.
pub(super) struct Noted {
    bytes: Option<Bytes>,
    flight: Flight,
}

impl Body for Noted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.flight.0.sent.store(true, Ordering::Relaxed);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(
            self.bytes.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
        )
    }
}
