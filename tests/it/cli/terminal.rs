//! The program at a terminal of its own.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::{fs, thread};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

use crate::binary::{Home, Process};

/// Runs the program at a terminal: waits for each of these to be shown, then types the other. Gives all that was shown,
/// and the exit code.
pub(super) fn at_terminal(home: &Home, args: &[&str], script: &[(&str, &str)]) -> (String, Option<i32>) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let controller = openpt(flags | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let mut command = home.archiver_with("setsid", &["--ctty", "--wait"], args);
    let side = || Stdio::from(ioctl_tiocgptpeer(&controller, flags | OpenptFlags::CLOEXEC).unwrap());
    command.stdin(side()).stdout(side()).stderr(side());
    let process = Process::of(command.spawn().unwrap());
    // The command keeps its copies open, and with them the terminal.
    drop(command);
    let mut controller = fs::File::from(controller);
    let (mut shown, mut from) = (String::new(), 0);
    let mut buffer = [0; 4096];
    for (awaited, typed) in script {
        loop {
            if let Some(at) = shown.get(from..).unwrap().find(awaited) {
                from += at + awaited.len();
                break;
            }
            match controller.read(&mut buffer) {
                Ok(n) if n > 0 => shown.push_str(&String::from_utf8_lossy(&buffer[..n])),
                ended => panic!("{awaited:?} was never shown ({ended:?}): {shown}"),
            }
        }
        controller.write_all(typed.as_bytes()).unwrap();
    }
    // A terminal holds little: whoever writes more waits for a reader.
    let rest = thread::spawn(move || {
        let mut rest = Vec::new();
        // Reading from a terminal that nobody has open any more is an error.
        while let Ok(n @ 1..) = controller.read(&mut buffer) {
            rest.extend(&buffer[..n]);
        }
        rest
    });
    let ran = process.finish();
    shown.push_str(&String::from_utf8_lossy(&rest.join().unwrap()));
    (shown, ran.code)
}
