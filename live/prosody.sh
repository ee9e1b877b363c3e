#!/usr/bin/env bash
# Runs the same checks against Debian's Prosody, to judge the judges: what fails
# there is a fault of the check, or stands in `lacks` below with its reason.
set -Eeuo pipefail
. "$(dirname "$0")/lib.sh"
need_package prosody prosody
need_slixmpp

port=$(free_port)
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
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_hashed"
storage = { archive = "memory" }
modules_enabled = {
    "roster", "saslauth", "disco", "ping", "private", "carbons", "mam",
    "blocklist", "vcard_legacy", "pep",
}
modules_disabled = { "s2s", "tls", "offline" }
VirtualHost "localhost"
Component "rooms.localhost" "muc"
    muc_room_default_public = true
    modules_enabled = { "muc_mam" }
    muc_log_by_default = true
EOF
prosodyctl="prosodyctl --config $dir/prosody.cfg.lua"
for name in alice bob; do $prosodyctl register $name localhost $name >/dev/null 2>&1; done
start_server prosody "$port" prosody -F --config "$dir/prosody.cfg.lua"

# Prosody 0.12 keeps one hash per password, lets a forged id stand beside its own
# one, hands a message to oneself to the other client twice, copies private
# messages to clients outside the room, and refuses a join without its `<x/>`.
lacks=(
    --lacks scram-sha-256 --lacks strip-forged --lacks self-once
    --lacks pm-copy-rule --lacks muc-error-echo
)
run_checks --port "$port" "${lacks[@]}" "$@"
summary
