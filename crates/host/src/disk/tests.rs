//! What both bodies do, and what only the simulated one can.

use std::fs::TryLockError;
use std::io::ErrorKind;
use std::path::Path;

use super::{Disk, Open, RealDisk, SimulatedDisk};

/// Asked of every body, below a folder that is not there yet.
fn check(disk: &dyn Disk, root: &Path) {
    let folder = root.join("a/b");
    disk.create_folder(&folder).unwrap();
    disk.create_folder(&folder).unwrap();
    let (one, two) = (folder.join("one"), folder.join("two"));
    assert_eq!(disk.open(&one, Open::Read).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(disk.open(&one, Open::Write).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(disk.id(&one).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(disk.open(&root.join("none/one"), Open::Create).unwrap_err().kind(), ErrorKind::NotFound);

    let file = disk.open(&one, Open::Create).unwrap();
    file.write_all_at(b"hello", 2).unwrap();
    assert_eq!(disk.read(&one).unwrap(), b"\0\0hello");
    file.truncate(4).unwrap();
    file.sync().unwrap();
    file.sync_all().unwrap();
    assert_eq!(file.length().unwrap(), 4);
    let mut two_bytes = [0; 2];
    file.read_exact_at(&mut two_bytes, 2).unwrap();
    assert_eq!(&two_bytes, b"he");
    assert_eq!(file.read_exact_at(&mut two_bytes, 3).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert!(disk.open(&one, Open::Read).unwrap().write_all_at(b"x", 0).is_err());
    assert_eq!(disk.open(&one, Open::WriteOrCreate).unwrap().length().unwrap(), 4);

    let id = file.id().unwrap();
    assert_eq!(disk.id(&one).unwrap(), id);
    disk.open(&two, Open::WriteOrCreate).unwrap();
    disk.rename(&one, &two).unwrap();
    assert_eq!((disk.id(&two).unwrap(), disk.list(&folder).unwrap()), (id, vec!["two".into()]));
    assert_eq!(disk.rename(&one, &two).unwrap_err().kind(), ErrorKind::NotFound);
    disk.sync_folder(&folder).unwrap();

    let again = disk.open(&two, Open::Write).unwrap();
    file.try_lock().unwrap();
    assert!(matches!(again.try_lock(), Err(TryLockError::WouldBlock)));
    drop(file);
    again.try_lock().unwrap();
    let whole = disk.open(&folder, Open::Read).unwrap();
    whole.try_lock().unwrap();
    let other = disk.open(&folder, Open::Read).unwrap();
    assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));

    disk.remove_file(&two).unwrap();
    assert_eq!(disk.remove_file(&two).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(again.length().unwrap(), 4, "who has it open still reads it");
    assert!(disk.list(&folder).unwrap().is_empty());
    disk.open(&two, Open::Create).unwrap();
    assert_eq!(disk.create_folder(&two).unwrap_err().kind(), ErrorKind::NotADirectory);
}

#[test]
fn the_real_disk_does_as_it_says() {
    let root = std::env::temp_dir().join(format!("millstream-disk-{}", std::process::id()));
    check(&RealDisk, &root);
    std::fs::remove_dir_all(&root).unwrap();
}

#[test]
fn the_simulated_disk_does_as_it_says() {
    check(&SimulatedDisk::new(), Path::new("/somewhere"));
    check(&SimulatedDisk::new(), Path::new("somewhere"));
}

#[test]
fn a_power_cut_takes_bytes_that_were_not_synced() {
    let disk = SimulatedDisk::new();
    let path = Path::new("file");
    let file = disk.open(path, Open::Create).unwrap();
    file.write_all_at(b"kept", 0).unwrap();
    file.sync().unwrap();
    disk.sync_folder(Path::new("")).unwrap();
    file.write_all_at(b" lost", 4).unwrap();
    file.try_lock().unwrap();
    disk.power_cut();
    assert_eq!(disk.read(path).unwrap(), b"kept");
    assert!(file.length().is_err() && file.sync().is_err(), "its process is dead");
    disk.open(path, Open::Write).unwrap().try_lock().unwrap();
}

#[test]
fn a_power_cut_takes_names_that_were_not_synced() {
    let disk = SimulatedDisk::new();
    let folder = Path::new("/data");
    disk.create_folder(folder).unwrap();
    let (old, new) = (folder.join("file"), folder.join("file.new"));
    for (path, bytes) in [(&old, b"old"), (&new, b"new")] {
        let file = disk.open(path, Open::Create).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file.sync().unwrap();
        if path == &old {
            disk.sync_folder(folder).unwrap();
        }
    }
    disk.rename(&new, &old).unwrap();
    assert_eq!(disk.read(&old).unwrap(), b"new");
    disk.power_cut();
    assert_eq!(
        (disk.read(&old).unwrap(), disk.list(folder).unwrap()),
        (b"old".to_vec(), vec!["file".into()])
    );
    disk.remove_file(&old).unwrap();
    disk.power_cut();
    assert_eq!(disk.read(&old).unwrap(), b"old");
    disk.remove_file(&old).unwrap();
    disk.sync_folder(folder).unwrap();
    disk.power_cut();
    assert!(disk.list(folder).unwrap().is_empty());
}

#[test]
fn failures_come_when_told() {
    let disk = SimulatedDisk::new();
    let path = Path::new("file");
    let file = disk.open(path, Open::Create).unwrap();
    disk.set_room(Some(3));
    assert_eq!(file.write_all_at(b"hello", 0).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.read(path).unwrap(), b"hel");
    disk.set_room(None);
    file.write_all_at(b"hello", 0).unwrap();
    disk.fail_syncs(1);
    disk.fail_truncates(1);
    disk.fail_folder_syncs(1);
    assert!(file.sync().is_err() && file.truncate(0).is_err() && disk.sync_folder(Path::new("")).is_err());
    file.sync().unwrap();
    file.truncate(0).unwrap();
    disk.sync_folder(Path::new("")).unwrap();
}

#[test]
fn syncs_hang_until_they_are_let_go() {
    let disk = SimulatedDisk::new();
    let file = disk.open(Path::new("file"), Open::Create).unwrap();
    disk.hang_syncs(true);
    let (sender, synced) = std::sync::mpsc::channel();
    let hanging = std::thread::spawn(move || sender.send(file.sync().is_ok()).unwrap());
    assert!(synced.recv_timeout(std::time::Duration::from_millis(20)).is_err());
    disk.hang_syncs(false);
    assert_eq!(synced.recv(), Ok(true));
    hanging.join().unwrap();
}
