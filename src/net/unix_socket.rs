//! Listens on sockets in the file system, and on sockets that the service manager hands over. A
//! socket of either kind exists once, so the reactors share it.

use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use super::MioListener;
use super::bind::{BACKLOG, prepare};

/// A socket in the file system on which this process listens. Its file is removed when this is
/// dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// What tells a file from another one that has taken its place: the device, the number, and when it
/// was made, because a number may be given again.
type Identity = (u64, u64, i64, i64);

fn identity(path: &Path) -> io::Result<Identity> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino(), found.mtime(), found.mtime_nsec()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = identity(&self.path).is_ok_and(|found| found == self.identity);
        if is_ours {
            // If it stays, the next server to listen there replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Where a socket that was handed over listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HandedAddress {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A socket in the file system, or one without a name.
    Unix(Option<PathBuf>),
}

/// How often the lock of a folder is tried, and the pause between: two seconds in all.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Listens on a socket in the file system, whose file has this mode. Returns as many handles of it
/// as asked for.
///
/// A file that another server has left behind is replaced: a socket on which nobody listens.
///
/// # Errors
///
/// Those of the system calls; `AddrInUse` if somebody listens there, or the file is not a socket.
pub fn bind_unix(
    path: &Path,
    mode: u32,
    count: usize,
) -> io::Result<(Vec<MioListener>, SocketFile)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // Two servers that start at the same moment would each remove the socket of the other, whose
    // queue is not open yet.
    let folder = File::open(folder.unwrap_or(Path::new(".")))?;
    lock(&folder)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let address = SockAddr::unix(path)?;
    if let Err(error) = socket.bind(&address) {
        if error.kind() != io::ErrorKind::AddrInUse || !is_left_behind(path, &address) {
            return Err(error);
        }
        fs::remove_file(path)?;
        socket.bind(&address)?;
    }
    let file = SocketFile { path: path.to_owned(), identity: identity(path)? };
    // Nobody can connect before `listen`, so nobody does while the mode is still that of the umask.
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    Ok((handles(socket, count)?, file))
}

/// Locks a folder, which another server does only for a moment. Whoever may open it can hold the
/// lock, so the wait is short.
fn lock(folder: &File) -> io::Result<()> {
    for _ in 0..LOCK_TRIES {
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
    let text = "another program holds the lock of its folder";
    Err(io::Error::new(io::ErrorKind::TimedOut, text))
}

/// Returns true if a file is a socket on which nobody listens.
fn is_left_behind(path: &Path, address: &SockAddr) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // So that it does not wait where the queue is full.
        socket.set_nonblocking(true)?;
        socket.connect(address)
    };
    let is_refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && connect().is_err_and(is_refused)
}

/// Listens on a socket that was handed over. Returns as many handles of it as asked for.
///
/// # Errors
///
/// Those of the system calls, if it is not a stream socket that listens.
pub fn adopt(handed: OwnedFd, count: usize) -> io::Result<(Vec<MioListener>, HandedAddress)> {
    let socket = Socket::from(handed);
    let address = socket.local_addr()?;
    if socket.r#type()? != Type::STREAM || !(address.is_unix() || address.as_socket().is_some()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a stream socket"));
    }
    // A socket that is connected already fails here.
    socket.listen(BACKLOG)?;
    let address = match address.as_socket() {
        Some(address) => {
            prepare(&socket)?;
            HandedAddress::Tcp(address)
        }
        None => {
            socket.set_nonblocking(true)?;
            HandedAddress::Unix(address.as_pathname().map(Path::to_owned))
        }
    };
    Ok((handles(socket, count)?, address))
}

/// Returns handles of one listening socket, which share its queue.
fn handles(socket: Socket, count: usize) -> io::Result<Vec<MioListener>> {
    let is_unix = socket.local_addr()?.is_unix();
    let mut sockets = (1..count).map(|_| socket.try_clone()).collect::<io::Result<Vec<_>>>()?;
    sockets.push(socket);
    let handle = |socket: Socket| match is_unix {
        true => MioListener::from_unix(UnixListener::from(OwnedFd::from(socket))),
        false => MioListener::from_std(socket.into()),
    };
    Ok(sockets.into_iter().map(handle).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_file_has_its_mode_and_goes_with_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fanfare.sock");
        for wanted in [0o600, 0o660, 0o666] {
            let (listeners, file) = bind_unix(&path, wanted, 3).unwrap();
            assert_eq!((listeners.len(), mode(&path)), (3, wanted));
            assert!(UnixStream::connect(&path).is_ok());
            drop(file);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_file_that_was_left_behind_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fanfare.sock");
        // Dropping the listener does not remove its file, as if the process had been killed.
        drop(UnixListener::bind(&path).unwrap());
        let (listeners, file) = bind_unix(&path, 0o660, 1).unwrap();
        let in_use = bind_unix(&path, 0o660, 1).unwrap_err();
        assert_eq!(in_use.kind(), io::ErrorKind::AddrInUse);
        assert!(UnixStream::connect(&path).is_ok(), "the first one still listens");
        drop(listeners);
        let (_listeners, newer) = bind_unix(&path, 0o660, 1).unwrap();
        drop(file);
        assert!(path.exists(), "this is the file of the newer server");
        drop(newer);
        for text in [true, false] {
            match text {
                true => fs::write(&path, "notes").unwrap(),
                false => fs::create_dir(&path).unwrap(),
            }
            let error = bind_unix(&path, 0o660, 1).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            if text {
                assert_eq!(fs::read_to_string(&path).unwrap(), "notes");
                fs::remove_file(&path).unwrap();
            }
        }
    }

    #[test]
    fn of_servers_that_start_at_the_same_moment_one_listens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fanfare.sock");
        drop(UnixListener::bind(&path).unwrap());
        let bound: Vec<_> = thread::scope(|scope| {
            let start = || scope.spawn(|| bind_unix(&path, 0o660, 2));
            let all: Vec<_> = (0..8).map(|_| start()).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(bound.iter().filter(|one| one.is_ok()).count(), 1);
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn a_socket_that_is_handed_over_is_taken_if_it_listens() {
        let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listening.local_addr().unwrap();
        let (listeners, found) = adopt(listening.into(), 2).unwrap();
        assert_eq!((listeners.len(), found), (2, HandedAddress::Tcp(address)));
        let connected = std::net::TcpStream::connect(address).unwrap();
        assert!(adopt(connected.into(), 1).is_err());
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(adopt(datagrams.into(), 1).is_err());
        assert!(adopt(File::open("/dev/null").unwrap().into(), 1).is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("handed.sock");
        let (_, found) = adopt(UnixListener::bind(&path).unwrap().into(), 1).unwrap();
        assert_eq!(found, HandedAddress::Unix(Some(path)));
    }
}
