//! What a committed transaction learns about its commit.

use std::time::Duration;

use crate::ids::Version;
use crate::telemetry::GroupTimes;

/// A commit, and where its time went. All members of a group share the times but the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitReport {
    /// The version that shows the writes.
    pub version: Version,
    /// Transactions in the group, this one among them; 0 if there was nothing to commit.
    pub group: usize,
    /// Waiting for the group's turn.
    pub queue: Duration,
    /// Validating the group and applying it to private pages.
    pub prepare: Duration,
    /// Putting the group into the log's buffer.
    pub append: Duration,
    /// Writing and syncing the log as the group's durability asks.
    pub sync: Duration,
    /// Making the group visible.
    pub publish: Duration,
}

impl CommitReport {
    /// Of a transaction that wrote nothing.
    pub(super) fn of_nothing(version: Version) -> Self {
        Self {
            version,
            ..Self::default()
        }
    }

    /// Of a group of `members` transactions.
    pub(super) fn of_group(version: Version, members: usize, times: GroupTimes) -> Self {
        Self {
            version,
            group: members,
            queue: Duration::ZERO,
            prepare: times.prepare,
            append: times.append,
            sync: times.sync,
            publish: times.publish,
        }
    }

    pub(super) fn times(&self) -> GroupTimes {
        GroupTimes {
            prepare: self.prepare,
            append: self.append,
            sync: self.sync,
            publish: self.publish,
        }
    }

    /// The whole time from the call to the acknowledgement, but for waking up.
    pub fn total(&self) -> Duration {
        [
            self.queue,
            self.prepare,
            self.append,
            self.sync,
            self.publish,
        ]
        .iter()
        .sum()
    }
}
