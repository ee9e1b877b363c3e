//! What a stream needs of whatever carries it: frames in, here; bytes out,
//! in [`Sink`](super::queue::Sink).

use tower_xmpp::stanza::Frame;

use super::words::Fault;

pub trait Transport: Send {
    /// The next frame. Nothing is lost when the future is dropped.
    fn next(&mut self) -> impl Future<Output = Result<Frame, NoFrame>> + Send;

    /// The client begins a new stream on the same connection.
    fn restart(&mut self);

    /// The client has logged in, and may send as much as any.
    fn trust(&mut self);

    /// Reads what nobody wants any more until the client closes the
    /// connection: if it were left unread, the client might never see what
    /// was written last.
    fn drain(&mut self) -> impl Future<Output = ()> + Send;
}

/// Why there is no other frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFrame {
    /// The connection broke, or was closed without closing the stream.
    Lost,
    /// What came must end the stream.
    Fault(Fault),
}
