//! Reading from a replica nearby (KIP-392).

use anyhow::{Result, ensure};
use real::{shared, shared_to_break};

use super::{ensure_in_order, of_node, read, reading, write};

const LEADER: u16 = 1;
const FOLLOWER: u16 = 3;

/// edge 45: the leader sends no record while a follower in the consumer's rack can; when that dies, the leader does.
#[tokio::test]
async fn a_follower_in_the_rack_is_read_from_until_it_dies_and_then_the_leader() -> Result<()> {
    /// Numbers of six digits: batches of them take more than this.
    const BYTES: f64 = 6.0 * 3_000.0;
    let cluster = shared_to_break();
    let topic = cluster.topic_on("nearby", &[LEADER, 2, FOLLOWER], &[])?;
    let rack = format!("rack-{FOLLOWER}");
    let consumer = reading(&cluster, &topic, 1, &[("client.rack", &rack)]).await?;
    let received = |broker| of_node(&consumer, broker, "incoming-byte-total");

    write(&cluster, &topic, 0, 100_000..103_000).await?;
    ensure_in_order(&read(&consumer, 3_000).await?, 0, 100_000..103_000)?;
    ensure!(received(FOLLOWER) > BYTES, "the follower sent {} bytes", received(FOLLOWER));
    ensure!(received(LEADER) < BYTES, "the leader sent {} bytes", received(LEADER));

    cluster.kill(FOLLOWER)?;
    write(&cluster, &topic, 0, 103_000..106_000).await?;
    ensure_in_order(&read(&consumer, 3_000).await?, 3_000, 103_000..106_000)?;
    ensure!(received(LEADER) > BYTES, "the leader sent {} bytes", received(LEADER));
    Ok(())
}

#[tokio::test]
async fn without_a_rack_the_leader_is_read_from() -> Result<()> {
    let cluster = shared();
    let topic = cluster.topic_on("far", &[LEADER, 2, FOLLOWER], &[])?;
    write(&cluster, &topic, 0, 0..100).await?;
    for rack in ["", "nowhere"] {
        let consumer = reading(&cluster, &topic, 1, &[("client.rack", rack)]).await?;
        ensure_in_order(&read(&consumer, 100).await?, 0, 0..100)?;
        // Of a broker that no fetch went to it is not a number.
        let is_fetched = |broker| !of_node(&consumer, broker, "request-latency-avg").is_nan();
        ensure!(is_fetched(LEADER) && !is_fetched(2) && !is_fetched(FOLLOWER), "client.rack={rack:?}");
    }
    Ok(())
}
