//! Who may make whom what (XEP-0045 §5.1.1, §5.2.1, §8, §9, §10): pure rules.

use crate::flow::Affiliation;

use super::{Refusal, Role};

/// Somebody in the eyes of these rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) role: Role,
    pub(super) affiliation: Affiliation,
}

/// May `actor` give `target` this role?
///
/// * Kicking is for moderators, never upwards (§8.2).
/// * Voice is given and taken by moderators (§8.3, §8.4); nobody takes it from
///   an admin or owner, nor from an equal.
/// * Who is a moderator is for admins to say (§9.6, §9.7); an admin or owner
///   stays one.
pub(super) fn may_change_role(
    actor: Standing,
    target: Standing,
    role: Role,
) -> Result<(), Refusal> {
    if actor.role < Role::Moderator {
        return Err(Refusal::PrivilegeMissing);
    }
    if role == Role::None {
        return protect(target.affiliation > actor.affiliation);
    }
    if role < Role::Moderator && target.affiliation >= Affiliation::Admin {
        return Err(Refusal::TargetProtected);
    }
    if role == Role::Moderator || target.role == Role::Moderator {
        return match actor.affiliation >= Affiliation::Admin {
            true => Ok(()),
            false => Err(Refusal::PrivilegeMissing),
        };
    }
    // Deliberately not against users without affiliation: a moderator without
    // one could silence nobody, though §8.4 says "at or above".
    let equal = target.affiliation > Affiliation::None && target.affiliation >= actor.affiliation;
    protect(role == Role::Visitor && equal)
}

/// May somebody of the affiliation `actor` change another's from `before` to
/// `after`? `own` says that it is its own.
///
/// * Admins make and unmake members and outcasts (§9.1 to §9.5).
/// * Owners make and unmake everybody (§10.3 to §10.8).
/// * Nobody bans himself (§9.1).
pub(super) fn may_change_affiliation(
    actor: Affiliation,
    own: bool,
    before: Affiliation,
    after: Affiliation,
) -> Result<(), Refusal> {
    if actor < Affiliation::Admin {
        return Err(Refusal::PrivilegeMissing);
    }
    if own && after == Affiliation::Outcast {
        return Err(Refusal::OwnBan);
    }
    if actor == Affiliation::Owner || before == after {
        return Ok(());
    }
    if after >= Affiliation::Admin {
        return Err(Refusal::PrivilegeMissing);
    }
    protect(before >= Affiliation::Admin && !own)
}

fn protect(protected: bool) -> Result<(), Refusal> {
    if protected {
        Err(Refusal::TargetProtected)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Affiliation::{Admin, Member, None, Outcast, Owner};

    fn standing(role: Role, affiliation: Affiliation) -> Standing {
        Standing { role, affiliation }
    }

    #[test]
    fn roles_are_changed_downwards_only_and_moderators_by_admins_only() {
        let moderator = |affiliation| standing(Role::Moderator, affiliation);
        let participant = |affiliation| standing(Role::Participant, affiliation);
        let visitor = standing(Role::Visitor, None);
        for (actor, target, role, verdict) in [
            (
                participant(Member),
                visitor,
                Role::None,
                Err(Refusal::PrivilegeMissing),
            ),
            (moderator(None), participant(None), Role::None, Ok(())),
            (
                moderator(None),
                participant(Member),
                Role::None,
                Err(Refusal::TargetProtected),
            ),
            (moderator(Admin), moderator(Admin), Role::None, Ok(())),
            (
                moderator(Admin),
                moderator(Owner),
                Role::None,
                Err(Refusal::TargetProtected),
            ),
            (moderator(None), visitor, Role::Participant, Ok(())),
            (moderator(None), participant(None), Role::Visitor, Ok(())),
            (
                moderator(Member),
                participant(Member),
                Role::Visitor,
                Err(Refusal::TargetProtected),
            ),
            (moderator(Owner), participant(Member), Role::Visitor, Ok(())),
            (
                moderator(Owner),
                moderator(Admin),
                Role::Visitor,
                Err(Refusal::TargetProtected),
            ),
            (
                moderator(Member),
                visitor,
                Role::Moderator,
                Err(Refusal::PrivilegeMissing),
            ),
            (moderator(Admin), visitor, Role::Moderator, Ok(())),
            (
                moderator(Member),
                moderator(None),
                Role::Participant,
                Err(Refusal::PrivilegeMissing),
            ),
            (
                moderator(Admin),
                moderator(Member),
                Role::Participant,
                Ok(()),
            ),
            (
                moderator(Owner),
                moderator(Owner),
                Role::Participant,
                Err(Refusal::TargetProtected),
            ),
        ] {
            assert_eq!(
                may_change_role(actor, target, role),
                verdict,
                "{actor:?} makes {target:?} {role:?}"
            );
        }
    }

    #[test]
    fn affiliations_are_changed_by_admins_below_and_owners_everywhere() {
        for (actor, own, before, after, verdict) in [
            (Member, false, None, Member, Err(Refusal::PrivilegeMissing)),
            (Admin, false, None, Member, Ok(())),
            (Admin, false, Member, Outcast, Ok(())),
            (Admin, false, Member, Admin, Err(Refusal::PrivilegeMissing)),
            (Admin, false, Admin, None, Err(Refusal::TargetProtected)),
            (Admin, false, Owner, Outcast, Err(Refusal::TargetProtected)),
            (Admin, true, Admin, Member, Ok(())),
            (Admin, true, Admin, Outcast, Err(Refusal::OwnBan)),
            (Owner, true, Owner, Outcast, Err(Refusal::OwnBan)),
            (Owner, false, Owner, None, Ok(())),
            (Owner, false, None, Owner, Ok(())),
        ] {
            assert_eq!(
                may_change_affiliation(actor, own, before, after),
                verdict,
                "{actor} changes {before} to {after}, own: {own}"
            );
        }
    }
}
