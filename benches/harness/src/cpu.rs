//! The share of a CPU that Lambda gives a function of a memory size, by a control group of the kernel's.

use std::fs::{create_dir, read_to_string, remove_dir, write};
use std::io;
use std::path::PathBuf;

/// MB at which a function has one CPU.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
const ONE_CPU: u64 = 1_769;
const PERIOD_US: u64 = 20_000;

/// Gone when dropped.
pub struct Share(PathBuf);

impl Share {
    /// Puts the process into a group of its own. An error where that is not permitted here.
    pub fn of(memory_size: u64, process: u32) -> io::Result<Self> {
        let quota = PERIOD_US * memory_size / ONE_CPU;
        let first = PathBuf::from("/sys/fs/cgroup/cpu");
        let share = if first.is_dir() {
            let share = Self(first.join(format!("bench-{process}")));
            create_dir(&share.0)?;
            write(share.0.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
            write(share.0.join("cpu.cfs_quota_us"), quota.to_string())?;
            share
        } else {
            let share = Self(PathBuf::from(format!("/sys/fs/cgroup/bench-{process}")));
            create_dir(&share.0)?;
            write(share.0.join("cpu.max"), format!("{quota} {PERIOD_US}"))?;
            share
        };
        write(share.0.join("cgroup.procs"), process.to_string())?;
        Ok(share)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // A group with a process in it stays.
        for process in read_to_string(self.0.join("cgroup.procs")).unwrap_or_default().lines() {
            let above = self.0.parent().map(|above| above.join("cgroup.procs")).unwrap_or_default();
            drop(write(above, process));
        }
        drop(remove_dir(&self.0));
    }
}
