//! Ports that nobody listens on.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, ensure};

/// Ports below this one are left to well-known services.
const FLOOR: u16 = 10_000;

/// Finds `count` free ports on loopback, outside the range that outgoing connections get theirs from.
///
/// Inside that range a broker that is down for a second could lose its port to a client that keeps reconnecting, even
/// to one that connects to itself.
pub(crate) fn free(count: usize) -> Result<Vec<u16>> {
    let ceiling = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .filter(|&first: &u16| first > FLOOR + 1_000)
        .unwrap_or(32_768);
    let width = ceiling - FLOOR;
    // A random place to begin at, so that clusters that start at the same time rarely meet.
    let start = (RandomState::new().hash_one("port") % u64::from(width)) as u16;
    let held: Vec<(u16, TcpListener)> = (0..width)
        .map(|step| FLOOR + ((u32::from(start) + u32::from(step)) % u32::from(width)) as u16)
        .filter_map(|port| Some((port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?)))
        .take(count)
        .collect();
    ensure!(held.len() == count, "only {} of {count} ports are free on loopback", held.len());
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_as_many_as_asked_for_and_all_different() {
        let mut ports = free(30).unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 30);
    }

    #[test]
    fn passes_over_a_port_in_use() {
        let [port] = free(1).unwrap()[..] else { unreachable!("one port was asked for") };
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!((0..20).all(|_| !free(5).unwrap().contains(&port)));
    }
}
