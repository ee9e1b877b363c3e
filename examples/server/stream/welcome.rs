//! What a client hears that has logged in by SASL2: at once also whether its
//! session goes on, or which one it has got (XEP-0388, XEP-0386).

use std::sync::Arc;

use jid::Jid;

use super::super::entrance::{AboutArchive, Birth, Entrance, Seat};
use super::negotiation::{Negotiation, Welcome};
use super::queue::Queue;
use super::words::Fault;
use super::{Ending, acks, failed_to_resume, sasl2};

/// XEP-0386 §3.2: what the client would like to resume comes first; if that
/// works, what it would like to bind is ignored. With neither, it binds in
/// the old way.
pub async fn welcome(
    entrance: &Entrance,
    queue: &Arc<Queue>,
    negotiation: &mut Negotiation,
    welcome: &Welcome,
) -> Result<Option<Seat>, Ending> {
    let Welcome { success, wishes } = welcome;
    let say = |address: &Jid, inside: &str, features: String| {
        // A queue that takes no more ends the stream by itself.
        let _ = queue.words(&sasl2::success(success, address, inside));
        let _ = queue.words(&features);
    };
    let in_session = negotiation.features_of_session();
    let account = &success.account;
    let mut inside = String::new();

    if let Some(wish) = &wishes.resume {
        let greet = |session: &Jid, handled| {
            say(
                session,
                &acks::resumed(&wish.id, handled),
                in_session.clone(),
            );
        };
        match entrance.resume(account, wish, queue, greet).await {
            Ok(seat) => {
                negotiation.forking().resumed();
                return Ok(Some(seat));
            }
            Err(failed) => inside = failed_to_resume(failed)?,
        }
    }
    let Some(wish) = &wishes.bind else {
        say(account, &inside, negotiation.features());
        return Ok(None);
    };
    let mut forking = wish.forking;
    let birth = Birth {
        jid: wish.address(account),
        queue: queue.clone(),
        sm: wish.sm,
        enabled: forking.bound(),
        about_archive: AboutArchive {
            token: wish.token.clone(),
            ends: true,
        },
    };
    let session = birth.jid.clone();
    let greet = |belongings: &str| {
        let bound = sasl2::bound(belongings);
        say(&session, &format!("{inside}{bound}"), in_session.clone());
    };
    let born = entrance.begin(birth, greet).await;
    let seat = born.map_err(|_| Ending::Fault(Fault::TooManySessions))?;
    *negotiation.forking() = forking;
    if let Some(is_active) = wish.is_active {
        entrance.looked_at(&seat.session, is_active).await;
    }
    Ok(Some(seat))
}
