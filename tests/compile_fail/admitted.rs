//! An `Admitted` cannot be made without the ordered checks: not by hand, not from nothing, not by a copy.

use portcullis::gate::Admitted;

fn by_hand() {
    let _ = Admitted {  };
}

fn copied<T: Clone>() {}

fn from_nothing<T: Default>() {}

fn main() {
    by_hand();
    copied::<Admitted>();
    from_nothing::<Admitted>();
}
