#!/usr/bin/env bash
# The example `rooms` as a component of Debian's Prosody: slixmpp, whose accounts
# are Prosody's, judges the rooms across the uplink.
set -Eeuo pipefail
. "$(dirname "$0")/lib.sh"
need_package prosody prosody
need_slixmpp
need_example rooms

port=$(free_port)
components=$(free_port)
start_prosody prosody "$port" "$components" alice bob <<END
modules_enabled = { "roster", "saslauth", "disco", "ping", "carbons" }
VirtualHost "localhost"
$(prosody_components rooms.localhost)
END
start_rooms rooms "$components"
# Prosody copies a private message that is sent into a room to clients outside it.
judge 300 rooms "$python" "$live/slixmpp_room.py" --port "$port" --lacks pm-copy-rule "$@"
stop_server rooms
no_complaints rooms
summary
