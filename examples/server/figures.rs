//! What `--metrics` shows: figures per layer from the library, what became of
//! stanzas, and how many clients and rooms there are, in the form that
//! Prometheus reads.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tower_xmpp::flow::Original;
use tracing::debug;

use super::census::Census;
use super::entrance::Entrance;

/// How long a question and its answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a question may be, in bytes.
const LONGEST: usize = 8 * 1024;

/// Begins to count, for the whole process.
pub fn count() -> Result<PrometheusHandle, metrics_exporter_prometheus::BuildError> {
    let handle = PrometheusBuilder::new().install_recorder()?;
    for (name, what) in [
        ("server_connections", "Client connections that are open."),
        ("server_sessions", "Sessions, those that wait among them."),
        (
            "server_sessions_hibernating",
            "Sessions that wait for their client to come back.",
        ),
        ("server_rooms", "Chat rooms that there are."),
    ] {
        metrics::describe_gauge!(name, what);
    }
    for (name, what) in [
        (
            "server_stanzas_total",
            "Stanzas by what became of them; one to a local user counts on both sides.",
        ),
        (
            "tower_xmpp_layer_stanzas_total",
            "Stanzas that concerned the layer.",
        ),
        (
            "tower_xmpp_layer_incidents_total",
            "How often the layer broke and was stepped over.",
        ),
        (
            "server_mail_of_rooms_total",
            "Messages that rooms wrote to accounts that are away.",
        ),
        ("server_writes_total", "Writes to client connections."),
        ("server_stanzas_written_total", "Stanzas in those writes."),
    ] {
        metrics::describe_counter!(name, what);
    }
    Ok(handle)
}

/// A stanza is through the stack.
pub fn passed(original: &Original) {
    // Of a label that is a literal, nothing is made for each stanza.
    macro_rules! count {
        ($outcome:literal) => {
            metrics::counter!("server_stanzas_total", "outcome" => $outcome).increment(1)
        };
    }
    match original {
        Original::Heard => {}
        Original::Delivered(_) => count!("delivered"),
        Original::Routed => count!("routed"),
        Original::Stored => count!("stored"),
        Original::Answered => count!("answered"),
        Original::Bounced(_) => count!("bounced"),
        Original::Consumed => count!("consumed"),
        Original::Dropped(_) => count!("dropped"),
        _ => count!("other"),
    }
}

/// So many stanzas leave for a client with one write.
pub fn written(stanzas: u64) {
    metrics::counter!("server_writes_total").increment(1);
    metrics::counter!("server_stanzas_written_total").increment(stanzas);
}

/// Answers whoever asks, one after the other, until the server ends.
pub async fn show(
    listener: TcpListener,
    handle: PrometheusHandle,
    entrance: Arc<Entrance>,
    census: Arc<Census>,
) {
    loop {
        let socket = tokio::select! {
            () = entrance.shutting_down() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((socket, _)) = socket else { continue };
        let (sessions, hibernating) = entrance.sessions();
        set("server_connections", census.count());
        set("server_sessions", sessions);
        set("server_sessions_hibernating", hibernating);
        set("server_rooms", entrance.rooms());
        handle.run_upkeep();
        let told = timeout(PATIENCE, answer(socket, handle.render())).await;
        debug!(result = ?told, "metrics requested");
    }
}

/// As much of HTTP/1.0 as is needed: every question but one for `/metrics` is
/// answered with 404.
async fn answer(mut socket: TcpStream, figures: String) -> io::Result<()> {
    let mut question = Vec::new();
    while !question.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = socket.read_buf(&mut question).await?;
        if read == 0 || question.len() > LONGEST {
            return Ok(());
        }
    }
    let (status, body) = match question.starts_with(b"GET /metrics ") {
        true => ("200 OK", figures),
        false => ("404 Not Found", String::new()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.0 {status}\r\nContent-Type: text/plain; version=0.0.4\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    socket.write_all((head + &body).as_bytes()).await?;
    socket.shutdown().await
}

fn set(name: &'static str, value: usize) {
    metrics::gauge!(name).set(value as f64);
}
