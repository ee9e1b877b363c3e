#!/usr/bin/env bash
# What it saves that an account joins a room, and not each of its clients: ten rooms
# of a peer, fifty accounts of ours, three clients each, with --account-rooms and
# without, against Debian's Prosody and ejabberd. Prints a table.
#
#   PEERS=ejabberd live/saving.sh      with one of them
#   live/saving.sh --seconds 3         of talk at full speed; default 8
set -Eeuo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peers.sh"
need_example server

rooms_begin_locked=false
accounts=()
for number in $(seq 0 49); do accounts+=(--account "u$number:u$number"); done
table=$scratch/table
{
    echo '| rooms of | who joins | joins | presences for them | messages | stanzas for each |' \
        'deliveries | our CPU s per 10,000 | theirs |'
    echo '|---|---|--:|--:|--:|--:|--:|--:|--:|'
} >"$table"

measure() { # measure WHO OPTION…
    local who=$1 tap port
    shift
    prepare_peer "$name"
    start_server "$name" "$peer_port" $peer_command
    local peer_pid=$server_pid
    tap=$(free_port)
    start_server tap "$tap" python3 "$live/tap.py" "$tap" "$components" "$peer_dir/counts"
    port=$(free_port)
    start_server 'example server' "$port" "$server" --listen "127.0.0.1:$port" \
        --domain "$ours" --uplink "component://secret@127.0.0.1:$tap" --no-archive \
        --rate 1000000000 "${accounts[@]}" "$@"
    python3 "$live/saving.py" --name "$name | $who" --port "$port" --domain "$ours" \
        --rooms "rooms.$theirs" --pid "$server_pid" --peer-pid "$peer_pid" \
        --counts "$peer_dir/counts" --out "$table" "${options[@]}"
    no_complaints "$name, $who"
    kill "$server_pid" "$peer_pid"
    wait "$server_pid" "$peer_pid" || true
}

options=("$@")
for name in ${PEERS:-prosody ejabberd}; do
    measure 'each client'
    measure 'its account' --account-rooms
done
cat "$table"
