//! How far accounts have registered with the rooms in which they sit. Pure.

use std::collections::{BTreeMap, HashMap};

use jid::BareJid;

use super::{AccountLimits, Target};

/// The seats of all accounts whose rooms are to notify them.
#[derive(Debug)]
pub(super) struct Enrolled {
    limits: AccountLimits,
    /// No account is without seats.
    accounts: HashMap<BareJid, BTreeMap<BareJid, Seat>>,
    count: usize,
    /// Whose turn is next, in the order in which they came.
    due: BTreeMap<u64, (BareJid, BareJid)>,
    number: u64,
}

/// The turn of a seat: what is asked in it counts until the seat has another.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) account: BareJid,
    pub(super) room: BareJid,
    /// No two turns have the same.
    number: u64,
}

#[derive(Debug)]
struct Seat {
    /// What the room was told, or is to be.
    node: Option<String>,
    stage: Stage,
}

/// Where one seat stands.
///
/// ```text
///            self-presence           tick             answer
///  Entering ───────────────► Due ──────────► Asked ──────────► Settled
///     ▲                                        │                  │
///     ├───────────── no answer, error: wait ───┤                  │
///     └───────────────────── the account joins again ─────────────┘
/// ```
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// The room is about to let the account in, or has not answered.
    Entering,
    /// It waits for its turn, under this number.
    Due(u64),
    /// The room has been asked, or told, in the turn of this number.
    Asked(u64),
    /// It is registered, or the room does not offer it.
    Settled,
}

impl Enrolled {
    pub(super) fn new(limits: AccountLimits) -> Self {
        Self {
            limits,
            accounts: HashMap::new(),
            count: 0,
            due: BTreeMap::new(),
            number: 0,
        }
    }

    /// What was kept when the process ended: it will join again.
    pub(super) fn restore(&mut self, kept: Target) {
        let seat = Seat {
            node: kept.node,
            stage: Stage::Entering,
        };
        let seats = self.accounts.entry(kept.account).or_default();
        self.count += usize::from(seats.insert(kept.room, seat).is_none());
    }

    /// The account joins, maybe again: what the room knew may be lost, and what
    /// it has been asked does not count any more.
    pub(super) fn joins(&mut self, account: &BareJid, room: &BareJid) {
        if let Some(seat) = self.seat(account, room)
            && !matches!(seat.stage, Stage::Due(_))
        {
            seat.stage = Stage::Entering;
        }
    }

    /// The account is in the room. Says whether that is a new seat.
    pub(super) fn sits(&mut self, account: &BareJid, room: &BareJid) -> bool {
        let is_known = self.seat(account, room).is_some();
        if !is_known && self.count >= self.limits.total {
            return false;
        }
        let number = self.number + 1;
        let seats = self.accounts.entry(account.clone()).or_default();
        let seat = seats.entry(room.clone()).or_insert(Seat {
            node: None,
            stage: Stage::Entering,
        });
        if seat.stage == Stage::Entering {
            seat.stage = Stage::Due(number);
            self.due.insert(number, (account.clone(), room.clone()));
            self.number = number;
        }
        self.count += usize::from(!is_known);
        !is_known
    }

    /// Whose turn it is now, with the node if the room has been told one.
    pub(super) fn take_due(&mut self) -> Vec<(Turn, Option<String>)> {
        let mut taken = Vec::new();
        while taken.len() < self.limits.per_tick
            && let Some((number, (account, room))) = self.due.pop_first()
        {
            let node = self.seat(&account, &room).and_then(|seat| {
                seat.stage = Stage::Asked(number);
                seat.node.clone()
            });
            let turn = Turn {
                account,
                room,
                number,
            };
            taken.push((turn, node));
        }
        taken
    }

    /// Whether an answer from this turn counts: the account still sits there,
    /// and has not joined again since.
    pub(super) fn awaits(&mut self, turn: &Turn) -> bool {
        self.asked(turn).is_some()
    }

    /// The room has not answered as hoped; the next occasion will do.
    pub(super) fn turn_back(&mut self, turn: &Turn) {
        if let Some(seat) = self.asked(turn) {
            seat.stage = Stage::Entering;
        }
    }

    /// The room is told this node, if its answer still counts. Says so.
    pub(super) fn told(&mut self, turn: &Turn, node: &str) -> bool {
        let Some(seat) = self.asked(turn) else {
            return false;
        };
        seat.node = Some(node.to_owned());
        true
    }

    /// The room notifies the account from now on.
    pub(super) fn settle(&mut self, turn: &Turn) {
        if let Some(seat) = self.asked(turn) {
            seat.stage = Stage::Settled;
        }
    }

    /// The room does not, and need not be asked before the account joins
    /// again. Returns what was kept of it.
    pub(super) fn refused(&mut self, turn: &Turn) -> Option<Target> {
        let seat = self.asked(turn)?;
        seat.stage = Stage::Settled;
        let node = seat.node.take()?;
        Some(target(&turn.account, &turn.room, Some(node)))
    }

    /// Whether the room was told this node.
    pub(super) fn knows(&self, account: &BareJid, room: &BareJid, node: &str) -> bool {
        let seats = self.accounts.get(account);
        let seat = seats.and_then(|seats| seats.get(room));
        seat.is_some_and(|seat| seat.node.as_deref() == Some(node))
    }

    /// The account does not sit there any more. `None` if it never did.
    pub(super) fn forget(&mut self, account: &BareJid, room: &BareJid) -> Option<Target> {
        let seats = self.accounts.get_mut(account)?;
        let seat = seats.remove(room)?;
        if seats.is_empty() {
            self.accounts.remove(account);
        }
        self.count -= 1;
        if let Stage::Due(number) = seat.stage {
            self.due.remove(&number);
        }
        Some(target(account, room, seat.node))
    }

    /// The rooms in which the account sits.
    pub(super) fn rooms(&self, account: &BareJid) -> Vec<BareJid> {
        let seats = self.accounts.get(account).into_iter().flatten();
        seats.map(|(room, _)| room.clone()).collect()
    }

    /// The seat, if this is the turn in which the room was asked last.
    fn asked(&mut self, turn: &Turn) -> Option<&mut Seat> {
        let seat = self.seat(&turn.account, &turn.room)?;
        (seat.stage == Stage::Asked(turn.number)).then_some(seat)
    }

    fn seat(&mut self, account: &BareJid, room: &BareJid) -> Option<&mut Seat> {
        self.accounts.get_mut(account)?.get_mut(room)
    }
}

/// An account that is notified by itself.
pub(super) fn target(account: &BareJid, room: &BareJid, node: Option<String>) -> Target {
    Target {
        room: room.clone(),
        account: account.clone(),
        jid: account.clone().into(),
        node,
        options: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn jid(name: &str, number: usize) -> BareJid {
        format!("{name}{number}@example.org").parse().unwrap()
    }

    proptest! {
        #[test]
        fn whatever_comes_and_goes_each_seat_has_one_turn_and_nothing_grows(
            steps in prop::collection::vec((0..6usize, 0..3usize, 0..3usize), 0..200),
        ) {
            let limits = AccountLimits { total: 4, per_tick: 2 };
            let mut enrolled = Enrolled::new(limits);
            // Whom the room may still answer.
            let mut open: Vec<Turn> = Vec::new();
            for (step, account, room) in steps {
                let (account, room) = (jid("a", account), jid("r", room));
                match step {
                    0 | 1 => {
                        enrolled.sits(&account, &room);
                    }
                    2 => enrolled.joins(&account, &room),
                    3 => {
                        enrolled.forget(&account, &room);
                    }
                    4 => {
                        let due = enrolled.take_due();
                        prop_assert!(due.len() <= limits.per_tick);
                        open.extend(due.into_iter().map(|(turn, _)| turn));
                    }
                    _ => {
                        if let Some(turn) = open.pop() {
                            let counts = enrolled.awaits(&turn);
                            prop_assert_eq!(enrolled.told(&turn, "node"), counts);
                            enrolled.settle(&turn);
                            prop_assert!(!enrolled.awaits(&turn));
                        }
                    }
                }
                // Of all questions about one seat at most one counts.
                let counting: Vec<_> = open.iter().filter(|turn| enrolled.awaits(turn)).collect();
                let seats: BTreeSet<_> = counting.iter().map(|it| (&it.account, &it.room)).collect();
                prop_assert_eq!(counting.len(), seats.len());
                let seats = enrolled.accounts.values().flatten();
                let stages: Vec<_> = seats.map(|(_, seat)| &seat.stage).collect();
                let due = stages.iter().filter(|stage| matches!(stage, Stage::Due(_)));
                prop_assert_eq!(due.count(), enrolled.due.len());
                prop_assert_eq!(stages.len(), enrolled.count);
                prop_assert!(stages.len() <= limits.total);
            }
        }
    }

    #[test]
    fn one_seat_more_than_may_be_registered_is_left_alone() {
        let limits = AccountLimits {
            total: 1,
            per_tick: 9,
        };
        let mut enrolled = Enrolled::new(limits);
        assert!(enrolled.sits(&jid("a", 0), &jid("r", 0)));
        assert!(!enrolled.sits(&jid("a", 1), &jid("r", 0)));
        assert_eq!(enrolled.take_due().len(), 1);
        enrolled.forget(&jid("a", 0), &jid("r", 0));
        assert!(enrolled.sits(&jid("a", 1), &jid("r", 0)));
    }
}
