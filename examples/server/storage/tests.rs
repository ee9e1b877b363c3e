//! Files that are new, ours, foreign and broken.

use std::fs;
use std::path::PathBuf;

use super::super::random;
use super::*;

/// A directory that goes away in the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("tower-xmpp-{}", random::id())))
    }

    fn file(&self) -> PathBuf {
        self.0.join("server.sqlite")
    }

    fn why_unusable(&self) -> String {
        match Storage::open(Some(&self.0)) {
            Ok(_) => panic!("it was opened"),
            Err(unusable) => unusable.to_string(),
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn put(storage: &Storage, name: &'static str) -> Result<usize, Failed> {
    let insert = "INSERT INTO secrets VALUES (?1, randomblob(2000))";
    storage.run(move |db| db.execute(insert, [name])).await
}

async fn count(storage: &Storage) -> u32 {
    let count = "SELECT count(*) FROM secrets";
    let count = storage.run(move |db| db.query_row(count, [], |row| row.get(0)));
    count.await.unwrap()
}

#[tokio::test]
async fn what_was_kept_is_there_when_the_file_is_opened_again() {
    let directory = Directory::new();
    let storage = Storage::open(Some(&directory.0)).unwrap();
    put(&storage, "a").await.unwrap();
    storage.close().await;
    assert!(matches!(put(&storage, "b").await, Err(Failed::Closed)));
    let storage = Storage::open(Some(&directory.0)).unwrap();
    assert_eq!(count(&storage).await, 1);
    storage.close().await;
}

#[tokio::test]
async fn a_job_that_fails_undoes_itself_and_not_its_neighbours() {
    let storage = Storage::open(None).unwrap();
    let fails = storage.run(|db| {
        db.execute("INSERT INTO secrets VALUES ('b', x'00')", [])?;
        db.execute("INSERT INTO nothing VALUES (1)", [])
    });
    let (one, failed, other) = tokio::join!(put(&storage, "a"), fails, put(&storage, "c"));
    assert!(one.is_ok() && other.is_ok());
    assert!(matches!(failed, Err(Failed::Sqlite(_))));
    assert_eq!(count(&storage).await, 2);
}

#[tokio::test]
async fn a_file_belongs_to_one_server_at_a_time_and_to_nobody_else() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new();
    let storage = Storage::open(Some(&directory.0)).unwrap();
    assert!(
        directory
            .why_unusable()
            .ends_with("in use by another server")
    );
    let mode = fs::metadata(directory.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    storage.close().await;
}

#[tokio::test]
async fn a_file_that_is_cut_in_half_is_named_damaged() {
    let directory = Directory::new();
    let storage = Storage::open(Some(&directory.0)).unwrap();
    for name in ["a", "b", "c", "d", "e", "f"] {
        put(&storage, name).await.unwrap();
    }
    storage.close().await;
    let bytes = fs::read(directory.file()).unwrap();
    fs::write(directory.file(), &bytes[..bytes.len() / 2]).unwrap();
    let why = directory.why_unusable();
    let file = directory.file().display().to_string();
    assert!(why.starts_with(&format!("{file} is damaged")), "{why}");
}

#[test]
fn a_file_that_is_something_else_is_named() {
    let directory = Directory::new();
    fs::create_dir(&directory.0).unwrap();
    fs::write(directory.file(), "no database at all, ".repeat(100)).unwrap();
    let expected = format!("{} is not a database", directory.file().display());
    assert_eq!(directory.why_unusable(), expected);

    fs::remove_file(directory.file()).unwrap();
    let foreign = Connection::open(directory.file()).unwrap();
    foreign.execute_batch("CREATE TABLE x (y)").unwrap();
    drop(foreign);
    assert!(directory.why_unusable().ends_with("but not of this server"));
}

#[test]
fn a_file_of_a_later_version_is_left_alone() {
    let directory = Directory::new();
    fs::create_dir(&directory.0).unwrap();
    let later = Connection::open(directory.file()).unwrap();
    later.pragma_update(None, "user_version", 77).unwrap();
    drop(later);
    assert!(directory.why_unusable().contains("is of version 77"));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = Directory::new();
    fs::write(&directory.0, "").unwrap();
    let why = directory.why_unusable();
    assert!(
        why.starts_with(&directory.file().display().to_string()),
        "{why}"
    );
    fs::remove_file(&directory.0).unwrap();
}
