use std::time::Duration;

/// How the layer behaves, and the bounds it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// When the account leaves a room. Default [`LeavePolicy::LastSession`].
    pub leave: LeavePolicy,
    /// How long the account stays in a room where it has no session and that
    /// is not bookmarked with autojoin. Default 30 days.
    pub linger: Duration,
    /// How long a room may take to let the account in or out, and to send the
    /// subject after that. Default 60 seconds.
    pub patience: Duration,
    /// After this much silence of a room the account asks whether it is still
    /// there (XEP-0410 §3.2). Default 15 minutes.
    pub silence: Duration,
    /// A session's self-ping is answered without asking the room if the room
    /// has been heard within this time. Default 60 seconds.
    pub trust: Duration,
    /// How long after a link came back the rooms behind it are asked. Default
    /// 5 seconds; it gives both servers time to say what they have to say.
    pub settle: Duration,
    /// The first pause before the account tries again to get back into a room
    /// that lost it. Each further pause is twice as long. Default 5 seconds.
    pub first_pause: Duration,
    /// The longest such pause. Default 15 minutes.
    pub longest_pause: Duration,
    /// How many rooms are rejoined and pinged at one
    /// [`Tick`](crate::flow::Event::Tick), over all accounts. Default 20: with a
    /// tick every 5 seconds, two hundred rooms after a restart take 50 seconds.
    pub probes_per_tick: usize,
    /// What is kept, at most.
    pub limits: Limits,
}

/// When the account leaves a room of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeavePolicy {
    /// When the last session that joined leaves explicitly, with unavailable
    /// presence to the room, unless a bookmark has autojoin.
    LastSession,
    /// Only when it is told to: by `<part/>`, by a bookmark, by the host.
    Explicit,
}

/// The bounds of the layer's state. What happens at each stands with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Rooms of one account. One more join is refused with
    /// `resource-constraint`. Default 1,000.
    pub rooms: usize,
    /// Sessions of the account in one room, those that wait for a join
    /// included. One more is refused with `resource-constraint`. Default 100.
    pub sessions: usize,
    /// Occupants whose presence is kept for sessions that join later. Others
    /// are passed on, and missing from the replay. Default 5,000.
    pub occupants: usize,
    /// Bytes of one occupant's presence. A longer one is passed on and kept
    /// without what the occupant put into it. Default 4,096.
    pub presence: usize,
    /// Messages kept for sessions that join later; the oldest goes. Default 50,
    /// which are 0.4 kB for each account in a room, and the messages themselves
    /// once for all accounts of the server that are in it.
    pub history: usize,
    /// Bytes of one such message. A longer one is passed on and not kept.
    /// Default 16,384.
    pub message: usize,
    /// Bytes of the kept subject. A longer one is passed on, and sessions that
    /// join later are told an empty one. Default 16,384.
    pub subject: usize,
    /// Sent messages whose session is remembered, for errors about them. An
    /// error about an older one goes to all sessions in the room. Default 32.
    pub sent: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            leave: LeavePolicy::LastSession,
            linger: Duration::from_secs(30 * 24 * 60 * 60),
            patience: Duration::from_secs(60),
            silence: Duration::from_secs(15 * 60),
            trust: Duration::from_secs(60),
            settle: Duration::from_secs(5),
            first_pause: Duration::from_secs(5),
            longest_pause: Duration::from_secs(15 * 60),
            probes_per_tick: 20,
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rooms: 1_000,
            sessions: 100,
            occupants: 5_000,
            presence: 4_096,
            history: 50,
            message: 16_384,
            subject: 16_384,
            sent: 32,
        }
    }
}
