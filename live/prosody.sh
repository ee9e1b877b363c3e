#!/usr/bin/env bash
# Runs the same checks against Debian's Prosody, to judge the judges: what fails
# there is a fault of the check, or stands in `lacks` below with its reason.
set -Eeuo pipefail
. "$(dirname "$0")/lib.sh"
need_package prosody prosody
need_package profanity profanity
need_package tmux tmux
need_slixmpp
need_xmppjs

port=$(free_port)
start_prosody prosody "$port" '' alice bob <<'END'
storage = { archive = "memory" }
modules_enabled = {
    "roster", "saslauth", "disco", "ping", "private", "carbons", "mam",
    "blocklist", "vcard_legacy", "pep",
}
VirtualHost "localhost"
Component "rooms.localhost" "muc"
    muc_room_default_public = true
    modules_enabled = { "muc_mam" }
    muc_log_by_default = true
END

# What Prosody 0.12 does otherwise: one hash per password; a forged stanza-id stands
# beside its own; a message to oneself reaches the other client twice; a private
# message is copied to clients outside the room; a refused join comes without its
# `<x/>`; bytes without a `<` are waited out; a stanza before login gets a stanza
# error; an authzid is ignored, and so is a `from`; a stanza may be of any depth; a
# session is offered; passwords may be guessed on and on.
lacks=()
for word in scram-sha-256 strip-forged self-once pm-copy-rule muc-error-echo \
    binary-first early-stanza authzid invalid-from depth-limit no-session-offer login-limit; do
    lacks+=(--lacks "$word")
done
run_checks --port "$port" "${lacks[@]}" "$@"
summary
