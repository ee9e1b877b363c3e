# Sourced after lib.sh: Debian's servers as peers. The example server at $ours is a
# component of each, twice: for its accounts, and for its rooms.

ours=our.example
theirs=peer.example

# Writes the configurations of a peer that has carol's account, and sets
#   peer_command      starts it
#   stranger_command  starts it with another secret for our accounts than ours
#   peer_ready        what it says once carol can log in, if that is not at once
# Prosody's rooms begin locked, unless rooms_begin_locked=false.
prepare_peer() { # prepare_peer prosody|ejabberd
    peer=$1
    peer_port=$(free_port)
    components=$(free_port)
    # Each time a new one: Prosody keeps its rooms, and who is in them, when it ends.
    peer_dir=$(mktemp -d "$scratch/$peer.XXXX")
    peer_ready=
    "prepare_$peer"
}

prepare_prosody() {
    need_package prosody prosody
    prosody_config secret >"$peer_dir/peer.cfg.lua"
    prosody_config another >"$peer_dir/stranger.cfg.lua"
    peer_command="prosody -F --config $peer_dir/peer.cfg.lua"
    stranger_command="prosody -F --config $peer_dir/stranger.cfg.lua"
    prosodyctl --config "$peer_dir/peer.cfg.lua" register carol "$theirs" carol >/dev/null 2>&1
}

prosody_config() { # prosody_config SECRET
    prosody_base "$peer_dir" "$peer_port" "$components"
    cat <<END
log = { info = "*console" }
gc = { mode = "generational" }
modules_enabled = { "roster", "saslauth", "disco", "ping", "version", "carbons", "pep" }
VirtualHost "$theirs"
Component "rooms.$theirs" "muc"
    muc_room_locking = ${rooms_begin_locked:-true}
Component "$ours"
    component_secret = "$1"
$(prosody_components "rooms.$ours")
END
}

# Without Erlang's distribution: no name to register, no daemon left behind. It is
# killed, and would forget the subscriptions of the last seconds: mnesia keeps what it
# writes to itself that long, unless it is told to write.
prepare_ejabberd() {
    need_package ejabberdctl ejabberd
    peer_ready='has accounts'
    ejabberd_config secret >"$peer_dir/peer.yml"
    ejabberd_config another >"$peer_dir/stranger.yml"
    cat >"$peer_dir/start" <<END
#!/bin/sh
export EJABBERD_CONFIG_PATH=\$1 EJABBERD_LOG_PATH=$peer_dir/ejabberd.log HOME=$peer_dir
export ERL_LIBS=$(dirname "$(ls -d /usr/lib/*/ejabberd-* | head -n 1)") ERL_CRASH_DUMP=/dev/null
exec erl -noinput +sbwt none +sbwtdcpu none +sbwtdio none -mnesia dir '"$peer_dir/mnesia"' -s ejabberd -eval \
    'ejabberd_auth:try_register(<<"carol">>, <<"$theirs">>, <<"carol">>), io:format("$peer_ready~n"),
     spawn(fun Sync() -> mnesia:sync_log(), timer:sleep(100), Sync() end).'
END
    chmod +x "$peer_dir/start"
    peer_command="$peer_dir/start $peer_dir/peer.yml"
    stranger_command="$peer_dir/start $peer_dir/stranger.yml"
}

ejabberd_config() { # ejabberd_config SECRET
    cat <<END
loglevel: warning
hosts: ["$theirs"]
listen:
  - { port: $peer_port, ip: "127.0.0.1", module: ejabberd_c2s, shaper: none }
  - port: $components
    ip: "127.0.0.1"
    module: ejabberd_service
    global_routes: false
    shaper_rule: none
    hosts:
      "$ours": { password: "$1" }
      "rooms.$ours": { password: "secret" }
s2s_access: none
auth_method: internal
auth_password_format: scram
modules:
  mod_carboncopy: {}
  mod_disco: {}
  mod_muc: { host: "rooms.$theirs", access_create: all }
  mod_ping: {}
  mod_roster: {}
  mod_version: {}
END
}

# The example server, started with these options, and the peer prepared last:
# runs a script of checks between them.
judge_pair() { # judge_pair SECONDS NAME SCRIPT SERVER-OPTIONS ARGUMENT…
    local limit=$1 name=$2 script=$3 options=$4 port
    shift 4
    port=$(free_port)
    judge "$limit" "$name" "$python" "$live/$script" --name "$name" --logs "$peer_dir" \
        --port "$port" --domain "$ours" --ours "$server --listen 127.0.0.1:$port --domain $ours \
            --account alice:alice --account bob:bob \
            --uplink component://secret@127.0.0.1:$components $options" \
        --peer-port "$peer_port" --peer-domain "$theirs" --peer "$peer_command" \
        --stranger "$stranger_command" --peer-ready "$peer_ready" "$@"
    server_log=$peer_dir/ours.log
    no_complaints "$name"
}

judge_uplink() { # judge_uplink prosody|ejabberd ARGUMENT…
    prepare_peer "$1"
    shift
    judge_pair 240 "uplink to $peer" uplink.py '--uplink-patience 1' "$@"
}

judge_account_rooms() { # judge_account_rooms prosody|ejabberd ARGUMENT…
    prepare_peer "$1"
    shift
    judge_pair 300 "rooms of $peer" account_rooms.py "--account-rooms --data $peer_dir/ours" "$@"
}

# The example `rooms` as a component of Debian's Prosody, beside the example server:
# members who are away are users of Prosody and of our server. Prosody's server
# refuses what rooms write to them, ours archives it; the rooms are killed and back.
judge_away() { # judge_away ARGUMENT…
    local port components own dir=$scratch/away
    need_package prosody prosody
    port=$(free_port)
    components=$(free_port)
    own=$(free_port)
    mkdir -p "$dir"
    start_prosody 'prosody of rooms' "$port" "$components" carol dan <<END
modules_enabled = { "roster", "saslauth", "disco", "ping", "carbons" }
VirtualHost "localhost"
$(prosody_components rooms.localhost "$ours" "rooms.$ours")
END
    start_server 'server beside rooms' "$own" "$server" --listen "127.0.0.1:$own" \
        --domain "$ours" --account alice:alice --log info \
        --uplink "component://secret@127.0.0.1:$components"
    await_components 2
    judge 300 away "$python" "$live/away.py" --port "$own" --domain "$ours" --account alice:alice \
        --account bob:bob --peer-port "$port" --component-port "$components" \
        --log "$dir/rooms.log" --rooms-command "$rooms --domain rooms.localhost --data $dir/rooms \
            --uplink component://secret@127.0.0.1:$components" "$@"
    stop_server 'server beside rooms'
    no_complaints 'server beside rooms'
    server_log=$dir/rooms.log
    no_complaints 'rooms under Prosody'
}

# Converse.js in a browser, at Debian's Prosody over WebSocket, whose rooms are the example
# `rooms` and whose push service is a component of the check.
judge_push_in_browser() { # judge_push_in_browser ARGUMENT…
    local port components websocket
    need_package prosody prosody
    port=$(free_port)
    components=$(free_port)
    websocket=$(free_port)
    start_prosody 'prosody of a browser' "$port" "$components" alice bob <<END
http_ports = { $websocket }
http_interfaces = { "127.0.0.1" }
https_ports = {}
http_default_host = "localhost"
consider_websocket_secure = true
modules_enabled = { "roster", "saslauth", "disco", "ping", "carbons", "pep", "private", "websocket" }
VirtualHost "localhost"
$(prosody_components rooms.localhost push.localhost)
END
    start_rooms 'rooms of a browser' "$components"
    judge 120 'Converse and push' node "$live/converse_push.mjs" --port "$port" \
        --component-port "$components" --websocket "ws://127.0.0.1:$websocket/xmpp-websocket" \
        --screenshot "$root/target/live/converse_push.png" "$@"
    stop_server 'rooms of a browser'
    no_complaints 'rooms of a browser'
}
