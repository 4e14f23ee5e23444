//! A minute of what `cargo xtask chaos` does for longer.

use std::time::Duration;

use anyhow::{Result, ensure};
use real::{CopyChaos, GroupChaos, GroupProtocol};

#[test]
fn a_copy_in_transactions_that_dies_among_dying_brokers_is_whole() -> Result<()> {
    let chaos = CopyChaos::seeded(7).duration(Duration::from_secs(45)).records(15_000).copies(2);
    let report = chaos.run()?;
    eprintln!("{report}");
    ensure!(report.is_good(), "{report}");
    Ok(())
}

#[test]
fn a_group_whose_members_and_brokers_die_reads_every_record() -> Result<()> {
    let report = GroupChaos::seeded(7).duration(Duration::from_secs(60)).run()?;
    eprintln!("{report}");
    ensure!(report.is_good(), "{report}");
    Ok(())
}

#[test]
fn a_group_that_the_brokers_assign_reads_every_record() -> Result<()> {
    let chaos = GroupChaos::seeded(9).duration(Duration::from_secs(45)).protocol(GroupProtocol::Consumer);
    let report = chaos.run()?;
    eprintln!("{report}");
    ensure!(report.is_good(), "{report}");
    Ok(())
}
