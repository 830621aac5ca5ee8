//! Owns which system calls are left: a list of those that a running gateway makes.
//! Never knows a path.
//!
//! A call that is not listed fails with ENOSYS, as in a kernel that has none. It does not kill:
//! the next C library will try calls that nobody listed here, and takes an older one only where
//! the answer is ENOSYS, not EPERM. An attacker gets no further either way.

use super::{Needs, Reach, State};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use std::collections::BTreeMap;

/// Restricts every thread that runs, and all that they start.
pub(super) fn enter(needs: &Needs) -> State {
    let off = |why: String| State::Off(format!("system calls cannot be filtered: {why}"));
    let filter = match program(needs) {
        Ok(filter) => filter,
        Err(error) => return off(error.to_string()),
    };
    match seccompiler::apply_filter_all_threads(&filter) {
        Ok(()) => State::On,
        Err(error) => off(error.to_string()),
    }
}

fn program(needs: &Needs) -> Result<BpfProgram, seccompiler::BackendError> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALWAYS.iter().map(|call| (*call, Vec::new())).collect();
    for (call, argument, mask, value) in SOMETIMES {
        rules.entry(*call).or_default().push(when(*argument, *mask, *value)?);
    }
    // Only to itself: abort().
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![when(0, INT, own)?]);
    for (call, flags) in OPENS {
        let only_reading = if needs.replace.is_some() { Vec::new() } else { vec![when(*flags, WRITING, 0)?] };
        rules.insert(*call, only_reading);
    }
    if needs.replace.is_some() {
        rules.extend(REPLACE.iter().map(|call| (*call, Vec::new())));
    }
    if needs.remove.is_some() {
        rules.extend(REMOVE.iter().map(|call| (*call, Vec::new())));
    }
    if needs.hand_over {
        // With exactly these flags: MSG_FASTOPEN would connect.
        rules.insert(libc::SYS_sendmsg, vec![when(2, INT, bits(libc::MSG_NOSIGNAL))?]);
    }
    // No datagrams: one could be addressed to any socket of the machine.
    // (The pair is the way of a signal into the event loop.)
    let pair = vec![fits(0, INT, bits(libc::AF_UNIX))?, fits(1, SOCKET_KIND, bits(libc::SOCK_STREAM))?];
    rules.insert(libc::SYS_socketpair, vec![SeccompRule::new(pair)?]);
    connecting(&needs.reach, &mut rules)?;
    let unlisted = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    SeccompFilter::new(rules, unlisted, SeccompAction::Allow, arch)?.try_into()
}

/// Sockets of the kinds that the endpoints need, and connecting them. Where to is not seen here: the
/// address is behind a pointer.
fn connecting(
    reach: &Reach,
    rules: &mut BTreeMap<i64, Vec<SeccompRule>>,
) -> Result<(), seccompiler::BackendError> {
    let kinds = [
        (reach.needs_tcp(), libc::AF_INET, libc::SOCK_STREAM),
        (reach.needs_tcp(), libc::AF_INET6, libc::SOCK_STREAM),
        (reach.needs_sockets(), libc::AF_UNIX, libc::SOCK_STREAM),
        // The resolver's questions, and its trial which source address a way would have.
        (reach.needs_names(), libc::AF_INET, libc::SOCK_DGRAM),
        (reach.needs_names(), libc::AF_INET6, libc::SOCK_DGRAM),
    ];
    for (_, family, kind) in kinds.into_iter().filter(|(is_needed, ..)| *is_needed) {
        let of_kind = SeccompRule::new(vec![fits(0, INT, bits(family))?, fits(1, SOCKET_KIND, bits(kind))?])?;
        rules.entry(libc::SYS_socket).or_default().push(of_kind);
        rules.insert(libc::SYS_connect, Vec::new());
    }
    if reach.needs_names() {
        rules.extend(RESOLVE.iter().map(|call| (*call, Vec::new())));
        rules.entry(libc::SYS_ioctl).or_default().push(when(1, INT, FIONREAD)?);
    }
    Ok(())
}

/// The bits of the mask in this argument have this value.
fn when(argument: u8, mask: u64, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![fits(argument, mask, value)?])
}

fn fits(argument: u8, mask: u64, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), value)
}

const fn bits(flags: i32) -> u64 {
    #[expect(clippy::as_conversions, reason = "From is not const; flags have no sign to extend")]
    let bits = flags.unsigned_abs() as u64;
    bits
}

/// An `int` is judged by its 32 bits: the upper half of its register may hold anything.
const INT: u64 = 0xffff_ffff;
const WRITING: u64 = bits(libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC);
const FIONBIO: u64 = 0x5421;
const FIONREAD: u64 = 0x541b;
/// The kind of a socket without its flags.
const SOCKET_KIND: u64 = 0xf;

/// What a running gateway calls whatever it is configured to do. There is no socket, bind, connect or
/// listen, no sendmsg or recvmsg (descriptors), no execve, fork, ptrace, io_uring or memfd. (A gateway that may
/// have a successor sends its listening sockets to that one.)
/// (Where the configuration names an endpoint, `connecting` adds what that takes.)
const ALWAYS: &[i64] = &[
    // Connections.
    libc::SYS_accept4,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_shutdown,
    libc::SYS_close,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    // The clock, where it is not read without a call, and chance.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Threads and their end.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_set_robust_list,
    // Signals.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // Reading files.
    libc::SYS_fstat,
    libc::SYS_getcwd,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_readlinkat,
    libc::SYS_statx,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
];

/// What is called with some arguments only: the call, the place of the argument, which of its bits,
/// and their value. Several lines of one call: any of them.
const SOMETIMES: &[(i64, u8, u64, u64)] = &[
    // No memory that can be run: code from outside stays data.
    (libc::SYS_mmap, 2, bits(libc::PROT_EXEC), 0),
    (libc::SYS_mprotect, 2, bits(libc::PROT_EXEC), 0),
    // Threads, no processes. (clone3 hides its flags from a filter; without it, this one is taken.)
    (libc::SYS_clone, 0, bits(libc::CLONE_THREAD), bits(libc::CLONE_THREAD)),
    // To the peer of a socket, never to an address.
    (libc::SYS_sendto, 4, u64::MAX, 0),
    (libc::SYS_fcntl, 1, INT, bits(libc::F_DUPFD_CLOEXEC)),
    (libc::SYS_fcntl, 1, INT, bits(libc::F_GETFD)),
    (libc::SYS_fcntl, 1, INT, bits(libc::F_SETFD)),
    (libc::SYS_fcntl, 1, INT, bits(libc::F_GETFL)),
    (libc::SYS_fcntl, 1, INT, bits(libc::F_SETFL)),
    (libc::SYS_ioctl, 1, INT, FIONBIO),
    (libc::SYS_prctl, 0, INT, bits(libc::PR_SET_NAME)),
    // Limits are read and not set.
    (libc::SYS_prlimit64, 2, u64::MAX, 0),
];

/// Opening, and the place of its flags.
const OPENS: &[(i64, u8)] = &[
    (libc::SYS_openat, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, 1),
];

const REPLACE: &[i64] = &[
    libc::SYS_fsync,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_renameat,
    // renameat, which the libc crate does not name there and the C library calls.
    #[cfg(target_arch = "aarch64")]
    38,
    libc::SYS_renameat2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
];

/// The C library asks for both kinds of addresses at once, and tells its name to nobody.
const RESOLVE: &[i64] = &[libc::SYS_sendmmsg, libc::SYS_uname];

const REMOVE: &[i64] = &[
    libc::SYS_unlinkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
];
