//! Processes that are killed and stand still more often than the schedule has them.

use std::time::Duration;

use ottla_broker::simulation::ProcessFault;

use crate::stage::Stage;

/// Most times in one history.
const MOST: u32 = 3;

/// Kills processes, or lets them stand still, for long enough that others take their places; while things go wrong.
pub(super) async fn befall(stage: &Stage, processes: &[String]) {
    let world = stage.world();
    let draw = |most: u64| world.random(|random| random.u64(0..=most));
    for _ in 0..world.random(|random| random.u32(0..=MOST)) {
        tokio::time::sleep(Duration::from_millis(draw(8_000))).await;
        let process = world.random(|random| random.choice(processes).cloned());
        let Some(process) = process.filter(|_| world.is_faulty()) else { return };
        let is_killed = draw(1) == 0;
        let fault = if is_killed { ProcessFault::Kill } else { ProcessFault::Pause };
        world.note(format!("{fault:?} of process {process}"));
        world.befall(&process, fault);
        tokio::time::sleep(Duration::from_millis(draw(6_000))).await;
        world.note(format!("over: {fault:?} of process {process}"));
        if is_killed { world.revive(&process) } else { world.befall(&process, ProcessFault::Resume) }
    }
}
