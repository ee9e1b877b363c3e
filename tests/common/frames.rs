//! What a test reads from a connection.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;
use tower_xmpp::stanza::{Frame, Reader};

/// Nothing takes that long; who waits longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What comes next; none when the connection has been closed.
pub async fn next(reader: &mut Reader, input: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    let next = async {
        loop {
            if let Some(frame) = reader.next().unwrap() {
                return Some(frame);
            }
            let mut buffer = [0; 4096];
            match input.read(&mut buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => reader.push(&buffer[..count]),
            }
        }
    };
    timeout(PATIENCE, next).await.expect("nothing came")
}
