//! The one writer: takes in what comes, and commits when the disk is free.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::SqliteError;
use super::batch::{Batch, Step};
use super::inbox::{Hunger, Inbox, Taken};
use super::recent::Recent;
use super::syncs::{Pending, Syncs, Then, tell};
use super::write::{Desk, MESSAGES};

/// Something to be written: it writes into the open transaction, or learns why
/// there is none, and leaves behind what wants to know whether that got to
/// the disk.
pub(super) type Work = Box<dyn FnOnce(Result<&mut Desk, SqliteError>) -> Option<Pending> + Send>;

/// With so much in it a transaction takes no more, so that who came first need not
/// wait for all.
const FULL: usize = 512;

pub(super) struct Writer {
    inbox: Arc<Inbox>,
    syncs: Arc<Syncs>,
    recent: Arc<Recent>,
    desk: Desk,
    /// What is in the open transaction.
    open: Vec<Pending>,
    /// All up to this place is committed and in the indexes.
    settled: i64,
    /// After trouble a message has been committed: if the disk takes it, that is over.
    on_trial: bool,
}

impl Writer {
    pub(super) fn new(
        inbox: Arc<Inbox>,
        syncs: Arc<Syncs>,
        recent: Arc<Recent>,
        desk: Desk,
    ) -> Self {
        Self {
            inbox,
            syncs,
            recent,
            settled: desk.settled(),
            desk,
            open: Vec::new(),
            on_trial: false,
        }
    }

    /// Works until nothing more comes and all is committed.
    ///
    /// While the disk is waited for, the transaction stays open and what comes
    /// is accepted into it: nobody's message waits for the disk to go on.
    pub(super) fn run(&mut self) {
        let mut done = None;
        loop {
            let in_it: usize = self.open.iter().map(Pending::count).sum();
            let awaits_disk = in_it > 0 || self.on_trial;
            let hunger = || match self.syncs.is_idle() {
                _ if self.syncs.has_refused() => None,
                true if awaits_disk => None,
                _ if in_it >= FULL => Some(Hunger::None),
                true => Some(Hunger::Much),
                false => Some(Hunger::Some),
            };
            match self.inbox.take(done.take(), hunger) {
                Taken::Batch(batch) => done = Some(self.write(batch)),
                Taken::Nothing => {}
                Taken::Over => break self.end(),
            }
            if self.syncs.has_refused() {
                self.commit();
                self.mend();
            } else if self.syncs.is_idle() {
                if std::mem::take(&mut self.on_trial) {
                    self.recent.set_trouble(false);
                }
                self.commit();
            }
        }
    }

    /// Leaves one file behind that has everything. SQLite puts the log away with
    /// the last connection, but only if that one may write.
    fn end(&mut self) {
        self.commit();
        // Else the log stays, and is read when the file is opened again.
        let _ = self.desk.checkpoint();
    }

    /// Writes a batch into the open transaction. Where SQLite gives that up
    /// half way (a full disk, say), the rest of the batch gets another. Returns the
    /// batch, emptied.
    fn write(&mut self, mut batch: Batch) -> Batch {
        let mut begun = Ok(());
        let mut steps = batch.take_steps();
        for step in steps.drain(..) {
            match step {
                Step::Work(work) => self.work(work, &mut begun),
                Step::Messages(mut messages) => {
                    while !messages.is_empty() {
                        let end = messages.end.min(messages.start + MESSAGES);
                        self.append(&batch, messages.start..end, &mut begun);
                        messages.start = end;
                    }
                }
            }
        }
        if self.open.is_empty() {
            // Nobody waits for what is in it, if anything is.
            self.commit();
        }
        batch.emptied(steps)
    }

    fn work(&mut self, work: Work, begun: &mut Result<(), SqliteError>) {
        self.begin(begun);
        let desk = begun.clone().map(|()| &mut self.desk);
        let written = catch_unwind(AssertUnwindSafe(|| work(desk)));
        self.open.extend(written.ok().flatten());
        self.give_up(begun);
    }

    /// Appends some messages of a batch.
    fn append(
        &mut self,
        batch: &Batch,
        messages: Range<usize>,
        begun: &mut Result<(), SqliteError>,
    ) {
        let Some(moment) = batch.moment() else {
            return;
        };
        self.begin(begun);
        let lines: Vec<_> = batch.lines(messages.clone()).collect();
        let appended = begun.clone().and_then(|()| {
            let append = AssertUnwindSafe(|| self.desk.append_all(&lines));
            Ok(catch_unwind(append).unwrap_or(Err(SqliteError::NoWorker.into()))?)
        });
        let places = || batch.places(messages.clone());
        match (appended, self.open.last_mut()) {
            (Ok(()), Some(last)) if last.is_of(moment) => last.places.extend(places()),
            (Ok(()), _) => self.open.push(Pending {
                tell: Then::Moment(moment.clone()),
                places: places().collect(),
            }),
            (Err(error), _) => {
                self.recent.forget(places());
                self.recent.set_trouble(true);
                moment.lost(places().map(|place| place.number), &error);
            }
        }
        self.give_up(begun);
    }

    /// Begins a transaction, if none is open.
    fn begin(&mut self, begun: &mut Result<(), SqliteError>) {
        if begun.is_ok() && !self.desk.is_open() {
            *begun = self.desk.begin().map_err(SqliteError::from);
        }
    }

    /// If SQLite has given up the transaction, so do we.
    fn give_up(&mut self, begun: &Result<(), SqliteError>) {
        if begun.is_ok() && !self.desk.is_open() {
            self.commit();
        }
    }

    fn commit(&mut self) {
        if self.open.is_empty() && !self.desk.is_open() {
            return;
        }
        let pending = std::mem::take(&mut self.open);
        let settled = self.settled;
        match self.desk.commit() {
            Ok(()) => {
                self.settled = self.desk.settled();
                if self.settled > settled {
                    self.recent.settled(self.settled);
                }
                let has_message = pending.iter().any(|one| !one.places.is_empty());
                self.on_trial |= has_message && self.recent.is_in_trouble();
                if !pending.is_empty() {
                    self.syncs.push(pending);
                }
            }
            Err(error) => {
                self.lose(pending.iter());
                tell(pending, &Err(error.into()));
            }
        }
    }

    /// The disk has refused the log. What is in it goes into the database, and
    /// so to the disk, by another way; if that is refused as well, messages
    /// go again: their senders are told that they are not archived.
    fn mend(&mut self) {
        let refused = self.syncs.refused();
        if self.desk.checkpoint().is_ok() {
            self.syncs.trust();
            tell(refused.into_iter().map(|(one, _)| one).collect(), &Ok(()));
            return;
        }
        let places = refused.iter().flat_map(|(one, _)| &one.places);
        // If even this fails, all of it is gone with the next crash, and they
        // have been told so.
        let _ = self.desk.take_back(places.map(|place| place.number));
        self.lose(refused.iter().map(|(one, _)| one));
        for (one, error) in refused {
            one.told(Err(error));
        }
    }

    /// This is not kept, and what comes next is not believed to be until it is on
    /// the disk.
    fn lose<'a>(&mut self, pending: impl Iterator<Item = &'a Pending>) {
        self.recent
            .forget(pending.flat_map(|one| one.places.iter().copied()));
        self.recent.set_trouble(true);
        self.on_trial = false;
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// Whoever waits for a writer that is gone is told.
impl Drop for Writer {
    fn drop(&mut self) {
        self.inbox.leave();
        self.syncs.close();
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread::JoinHandle;

    use jid::BareJid;
    use rusqlite::Connection;

    use super::super::recent::Place;
    use super::super::schema;
    use super::*;
    use crate::archive::{Direction, Row};
    use crate::stanza::Time;

    /// A writer whose disk does what a test says.
    struct Scene {
        file: PathBuf,
        inbox: Arc<Inbox>,
        recent: Arc<Recent>,
        /// What becomes of the next waits for the disk, one after the other.
        disk: Sender<io::Result<()>>,
        threads: Vec<JoinHandle<()>>,
    }

    impl Scene {
        fn new(name: &str) -> Self {
            let name = format!("tower-xmpp-writer-{name}-{}", std::process::id());
            let file = std::env::temp_dir().join(name);
            let connection = schema::open_writer(&file, None).expect("it opens");
            schema::log(&connection, &file).expect("there is a log");
            let (inbox, syncs) = (Arc::new(Inbox::new(100)), Arc::new(Syncs::default()));
            let desk = Desk::open(connection, 1_000, 0).expect("a new file");
            let recent = Arc::new(Recent::after(0));
            let mut writer = Writer::new(inbox.clone(), syncs.clone(), recent.clone(), desk);
            let (disk, done) = channel();
            let done = Mutex::new(done);
            let nudged = inbox.clone();
            let threads = vec![
                std::thread::spawn(move || writer.run()),
                std::thread::spawn(move || {
                    let wait = || done.lock().expect("one waits").recv();
                    let sync = || wait().unwrap_or(Ok(()));
                    syncs.run(sync, || nudged.nudge());
                }),
            ];
            Self {
                file,
                inbox,
                recent,
                disk,
                threads,
            }
        }

        /// Appends a message; when it is accepted, what will be known of it.
        fn append(&self, number: usize) -> Receiver<Result<(), SqliteError>> {
            let (accept, accepted) = channel();
            let (tell, told) = channel();
            let row = row(number);
            let (owner, id) = (row.owner.clone(), row.id.clone());
            let write = |place: Place| -> Work {
                Box::new(move |desk| {
                    let desk = desk.expect("a transaction");
                    let there = desk.append(&row, place.number, place.doubt);
                    assert_eq!(there.expect("it is appended"), None);
                    let _ = accept.send(());
                    Some(Pending {
                        tell: Then::Call(Box::new(move |synced| {
                            let _ = tell.send(synced);
                        })),
                        places: vec![place],
                    })
                })
            };
            let push = |place| self.inbox.push(write(place));
            let pushed = self.recent.take_in(&owner, &id, push);
            pushed.expect("there is room");
            accepted.recv().expect("it is accepted");
            told
        }

        fn ids(&self) -> Vec<String> {
            let connection = Connection::open(&self.file).expect("it opens");
            let mut ids = connection
                .prepare("SELECT id FROM message ORDER BY position")
                .expect("a statement");
            let ids: Result<_, _> = ids.query_map((), |row| row.get(0)).expect("rows").collect();
            ids.expect("ids")
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            self.inbox.close();
            self.disk = channel().0;
            for thread in self.threads.drain(..) {
                thread.join().expect("it does not panic");
            }
            for ending in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{}{ending}", self.file.display()));
            }
        }
    }

    fn row(number: usize) -> Row {
        let jid = |text: &str| text.parse::<BareJid>().expect("a bare JID");
        let (owner, with) = (jid("alice@a.example"), jid("bob@b.example"));
        let (id, at) = (format!("id{number}"), Time::from_secs(0));
        Row::new(owner, id, at, with, Direction::Incoming, &b"<message/>"[..])
    }

    #[test]
    fn messages_are_accepted_while_the_disk_is_waited_for_and_one_wait_is_for_all() {
        let scene = Scene::new("accepted");
        let first = scene.append(0);
        // The disk says nothing, and yet all of these are accepted.
        let rest: Vec<_> = (1..50).map(|number| scene.append(number)).collect();
        assert!(first.try_recv().is_err(), "nothing is on the disk");
        for _ in 0..2 {
            scene.disk.send(Ok(())).expect("it is waited for");
        }
        assert_eq!(first.recv(), Ok(Ok(())));
        for told in rest {
            assert_eq!(told.recv(), Ok(Ok(())));
        }
        assert_eq!(scene.ids().len(), 50);
    }

    #[test]
    fn what_the_disk_refuses_reaches_it_through_the_database() {
        let scene = Scene::new("mended");
        let told = scene.append(0);
        let refused = io::ErrorKind::StorageFull;
        scene
            .disk
            .send(Err(refused.into()))
            .expect("it is waited for");
        assert_eq!(told.recv(), Ok(Ok(())));
        // The log is trusted again.
        let told = scene.append(1);
        scene.disk.send(Ok(())).expect("it is waited for");
        assert_eq!(told.recv(), Ok(Ok(())));
        assert_eq!(scene.ids(), ["id0", "id1"]);
    }

    #[test]
    fn what_reaches_the_disk_in_no_way_is_told_and_goes_again() {
        let scene = Scene::new("refused");
        let kept = scene.append(0);
        scene.disk.send(Ok(())).expect("it is waited for");
        assert_eq!(kept.recv(), Ok(Ok(())));
        // Who reads an old state keeps the log from being put into the database.
        let reader = Connection::open(&scene.file).expect("it opens");
        reader
            .execute_batch("BEGIN; SELECT * FROM message")
            .expect("it reads");
        let lost = scene.append(1);
        let refused = io::ErrorKind::StorageFull;
        scene
            .disk
            .send(Err(refused.into()))
            .expect("it is waited for");
        assert_eq!(lost.recv(), Ok(Err(SqliteError::DiskFull)));
        assert!(scene.recent.is_in_trouble());
        reader.execute_batch("ROLLBACK").expect("it ends");
        assert_eq!(scene.ids(), ["id0"]);
        // Nothing is believed of the log until it has been put away.
        let told = scene.append(2);
        assert_eq!(told.recv(), Ok(Ok(())));
        assert_eq!(scene.ids(), ["id0", "id2"]);
        // The next is committed when it is known that the disk has taken that one.
        let told = scene.append(3);
        scene.disk.send(Ok(())).expect("it is waited for");
        assert_eq!(told.recv(), Ok(Ok(())));
        assert!(!scene.recent.is_in_trouble());
    }
}
