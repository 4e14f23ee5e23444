//! Ports that nobody listens on.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};

/// Ports below this one are left to well-known services.
const FLOOR: u16 = 10_000;

/// The ports that this process has given out: free or not just now, they are somebody's.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Finds `count` free ports on loopback, none of them twice, outside the range that outgoing connections get theirs from.
///
/// Inside that range a broker that is down for a second could lose its port to a client that keeps reconnecting, even
/// to one that connects to itself.
pub(crate) fn free(count: usize) -> Result<Vec<u16>> {
    let ceiling = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .filter(|&first: &u16| first > FLOOR + 1_000)
        .unwrap_or(32_768);
    // A random place to begin at, so that processes that start clusters at the same time rarely meet.
    let random = RandomState::new().hash_one("port") % u64::from(ceiling - FLOOR);
    let start = FLOOR + random as u16;
    let ports = free_among((start..ceiling).chain(FLOOR..start), count);
    ensure!(ports.len() == count, "only {} of {count} ports are free on loopback", ports.len());
    Ok(ports)
}

fn free_among(ports: impl Iterator<Item = u16>, count: usize) -> Vec<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let unused = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let free: Vec<_> = ports.filter(|port| !given.contains(port)).filter(unused).take(count).collect();
    given.extend(&free);
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_out_as_many_as_asked_for_and_none_twice() {
        let mut ports = free(30).unwrap();
        assert_eq!(free_among(ports.clone().into_iter(), 1), []);
        ports.dedup();
        assert_eq!(ports.len(), 30);
    }

    #[test]
    fn passes_over_a_port_that_somebody_listens_on() {
        let in_use = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = in_use.local_addr().unwrap().port();
        assert_eq!(free_among(std::iter::once(port), 1), []);
    }
}
