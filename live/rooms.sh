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
dir=$scratch/prosody
mkdir -p "$dir"
prosody_base "$dir" "$port" "$components" >"$dir/prosody.cfg.lua"
cat >>"$dir/prosody.cfg.lua" <<EOF
log = { info = "$dir/prosody.log" }
modules_enabled = { "roster", "saslauth", "disco", "ping", "carbons" }
VirtualHost "localhost"
Component "rooms.localhost"
    component_secret = "secret"
EOF
prosodyctl="prosodyctl --config $dir/prosody.cfg.lua"
for name in alice bob; do $prosodyctl register $name localhost $name >/dev/null 2>&1; done
start_server prosody "$port" prosody -F --config "$dir/prosody.cfg.lua"

server_log=$scratch/rooms.log
"$rooms" --domain rooms.localhost \
    --uplink "component://secret@127.0.0.1:$components" >"$server_log" 2>&1 </dev/null &
server_pid=$!
pids+=("$server_pid")
for _ in $(seq 300); do
    if grep -q 'component successfully authenticated' "$dir/prosody.log"; then break; fi
    sleep 0.1
done
# Prosody copies a private message that is sent into a room to clients outside it.
judge 300 rooms "$python" "$live/slixmpp_room.py" --port "$port" --lacks pm-copy-rule "$@"
stop_server rooms
no_complaints rooms
summary
