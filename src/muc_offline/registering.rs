//! What the room's side does about registration: the field in the form, and the
//! wish that it stands for.

use jid::{BareJid, Jid};

use crate::flow::{EmitKind, Envelope, Original, Outcome};
use crate::middleware::{Fault, Next, report};
use crate::stanza::{Condition, ErrorType, Stanza, StanzaError, Time, Type};

use super::form::{self, Ask};
use super::room::{MucOfflineRoom, incident};
use super::{Registration, RegistrationError};

/// A request that went on to the room.
pub(super) struct Asked {
    request: Stanza,
    ask: Ask,
}

impl MucOfflineRoom {
    /// Rules 1 and 2: the form, and what comes back of it.
    pub(super) async fn asked(
        &self,
        room: &BareJid,
        mut envelope: Envelope,
        next: Next,
    ) -> Result<Outcome, Fault> {
        let at = envelope.at;
        let Some(request) = envelope.as_stanza_mut() else {
            return next.run(envelope).await;
        };
        let ask = match form::read(request) {
            Ok(ask) => ask,
            Err(condition) => return Ok(Outcome::refused(request, condition)),
        };
        let asks_something = !matches!(ask, Ask::Other | Ask::Register(None));
        let Some(from) = request.from().filter(|_| asks_something) else {
            return next.run(envelope).await;
        };
        let account = from.to_bare();
        if ask == Ask::Register(Some(true)) && !self.rooms().has_space(room, &account) {
            let error = StanzaError::new(Condition::ResourceConstraint);
            return Ok(Outcome::refused(request, error));
        }
        let asked = Asked {
            request: request.clone(),
            ask,
        };
        form::strip(request);
        let mut outcome = next.run(envelope).await?;
        let answer = outcome
            .emits
            .iter_mut()
            .filter(|emit| matches!(emit.kind, EmitKind::Answer))
            .map(|emit| &mut emit.stanza)
            .find(|answer| answer.is_response() && answer.id() == asked.request.id());
        match answer {
            Some(answer) => {
                if let Err(error) = self.settle(asked, answer).await {
                    report(&mut outcome, incident(&error));
                }
            }
            None if matches!(
                outcome.original,
                Original::Bounced(_) | Original::Dropped(_)
            ) => {}
            None => self.await_answer(at, room, account, asked),
        }
        Ok(outcome)
    }

    /// The room answers in a pass of its own.
    pub(super) async fn answers(&self, to: &Jid, answer: &mut Stanza) {
        let Some(asked) = self.asked.answered(&to.to_bare(), answer) else {
            return;
        };
        if asked.request.from() == Some(to) {
            // What went wrong stands in the answer.
            let _ = self.settle(asked, answer).await;
        }
    }

    fn await_answer(&self, at: Time, room: &BareJid, account: BareJid, asked: Asked) {
        let id = asked.request.id().unwrap_or_default().to_owned();
        // If too much is open already, the field does not show, or what was
        // wished is not noted: the user has to ask again.
        let room = room.clone().into();
        let _ = self.asked.ask(at, &account, room, &id, asked);
    }

    /// The room has answered: now the wish holds. If it cannot be kept, the
    /// answer says so instead.
    async fn settle(&self, asked: Asked, answer: &mut Stanza) -> Result<(), RegistrationError> {
        let Asked { request, ask } = asked;
        let (Some(from), Some(room)) = (request.from(), request.to()) else {
            return Ok(());
        };
        if answer.type_() != Some(&Type::Result) {
            return Ok(());
        }
        let (account, room) = (from.to_bare(), room.to_bare());
        let kept = match ask {
            Ask::Form => {
                let wanted = self.rooms().paused(&room, &account).is_some();
                form::dress(answer, wanted);
                return Ok(());
            }
            Ask::Register(Some(true)) => {
                // Rule 6: who was kicked has to come back, and not only to ask again.
                let paused = self.rooms().was_kicked(&room, &account);
                let mut registration = Registration::new(room, account);
                registration.paused = paused;
                self.keep(registration).await
            }
            Ask::Register(Some(false)) | Ask::Remove => self.forget(&room, &account).await,
            Ask::Register(None) | Ask::Other => return Ok(()),
        };
        if kept.is_err() {
            let later = StanzaError::new(Condition::InternalServerError);
            let later = later.with_type(ErrorType::Wait);
            if let Some(error) = request.error_reply(&later) {
                *answer = error;
            }
        }
        kept
    }
}
