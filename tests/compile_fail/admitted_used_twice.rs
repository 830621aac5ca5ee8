//! An `Admitted` opens one session: it is gone with it.

use portcullis::gate::Admitted;

fn open_two(admitted: Admitted) {
    let first = admitted.into_session();
    let second = admitted.into_session();
    drop((first, second));
}

fn main() {}
