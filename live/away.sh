#!/usr/bin/env bash
# The example `rooms` as a component of Debian's Prosody, beside the example server:
# members who are away are users of Prosody and of our server. Prosody's server
# refuses what rooms write to them, ours archives it; the rooms are killed and back.
set -Eeuo pipefail
. "$(dirname "$0")/lib.sh"
need_package prosody prosody
need_slixmpp
need_example rooms
need_example server

port=$(free_port)
components=$(free_port)
ours=$(free_port)
dir=$scratch/prosody
mkdir -p "$dir"
cat >"$dir/prosody.cfg.lua" <<EOF
pidfile = "$dir/prosody.pid"
data_path = "$dir"
log = { info = "$dir/prosody.log" }
run_as_root = true
interfaces = { "127.0.0.1" }
c2s_ports = { $port }
c2s_direct_tls_ports = {}
s2s_ports = {}
component_ports = { $components }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_hashed"
modules_enabled = { "roster", "saslauth", "disco", "ping", "carbons" }
modules_disabled = { "s2s", "tls", "offline" }
VirtualHost "localhost"
Component "rooms.localhost"
    component_secret = "secret"
Component "our.example"
    component_secret = "secret"
Component "rooms.our.example"
    component_secret = "secret"
EOF
prosodyctl="prosodyctl --config $dir/prosody.cfg.lua"
for name in carol dan; do $prosodyctl register $name localhost $name >/dev/null 2>&1; done
start_server prosody "$port" prosody -F --config "$dir/prosody.cfg.lua"
start_server 'example server' "$ours" "$server" --listen "127.0.0.1:$ours" \
    --domain our.example --account alice:alice --log info \
    --uplink "component://secret@127.0.0.1:$components"
for _ in $(seq 300); do
    if [ "$(grep -c 'component successfully authenticated' "$dir/prosody.log")" -ge 2 ]; then break; fi
    sleep 0.1
done
judge 300 away "$python" "$live/away.py" --port "$ours" --domain our.example --account alice:alice \
    --account bob:bob --peer-port "$port" --component-port "$components" --log "$scratch/rooms.log" \
    --rooms-command "$rooms --domain rooms.localhost --data $scratch/rooms \
        --uplink component://secret@127.0.0.1:$components" "$@"
stop_server 'example server'
no_complaints 'example server'
server_log=$scratch/rooms.log
no_complaints 'example rooms'
summary
