//! The thread that has the database.

use std::sync::{Arc, mpsc};
use std::thread;

use rusqlite::{Connection, Transaction};
use tokio::sync::oneshot;
use tracing::error;

/// How many jobs may share a commit.
const TOGETHER: usize = 256;

pub(super) enum Message {
    Job(Job),
    /// The last message; answered when the database is closed.
    Close(oneshot::Sender<()>),
}

/// Does its work within a transaction that others share, and returns how to
/// tell of it. It is asked even if no transaction could be begun.
pub(super) type Job = Box<dyn FnOnce(Begun<'_, '_>) -> Reply + Send>;

pub(super) type Begun<'t, 'c> = Result<&'t mut Transaction<'c>, Arc<rusqlite::Error>>;

/// Called when the transaction is committed, or is known not to be.
pub(super) type Reply = Box<dyn FnOnce(Result<(), Arc<rusqlite::Error>>)>;

/// Starts the thread. It ends when it is told to, or when nobody is left who
/// could tell it anything.
pub(super) fn start(mut database: Connection) -> mpsc::Sender<Message> {
    let (sender, messages) = mpsc::channel();
    let work = move || {
        while let Ok(first) = messages.recv() {
            let mut jobs = vec![];
            let mut close = None;
            let others = messages.try_iter().take(TOGETHER);
            for message in std::iter::once(first).chain(others) {
                match message {
                    Message::Job(job) => jobs.push(job),
                    Message::Close(tell) => {
                        close = Some(tell);
                        break;
                    }
                }
            }
            together(&mut database, jobs);
            if let Some(tell) = close {
                drop(database);
                let _ = tell.send(());
                return;
            }
        }
    };
    let thread = thread::Builder::new().name("storage".into());
    thread.spawn(work).expect("a thread can be started");
    sender
}

/// One transaction for all of them.
fn together(database: &mut Connection, jobs: Vec<Job>) {
    let (replies, committed) = match database.transaction() {
        Ok(mut transaction) => {
            let mut done = vec![];
            for job in jobs {
                done.push(job(Ok(&mut transaction)));
            }
            (done, transaction.commit().map_err(Arc::new))
        }
        Err(failed) => {
            let failed = Arc::new(failed);
            let refuse = |job: Job| job(Err(failed.clone()));
            (jobs.into_iter().map(refuse).collect(), Err(failed.clone()))
        }
    };
    if let Err(failed) = &committed {
        error!(error = %failed, "database commit failed");
    }
    for reply in replies {
        reply(committed.clone());
    }
}
