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
    cat <<END
pidfile = "$peer_dir/prosody.pid"
data_path = "$peer_dir"
log = { info = "*console" }
run_as_root = true
interfaces = { "127.0.0.1" }
c2s_ports = { $peer_port }
c2s_direct_tls_ports = {}
s2s_ports = {}
component_ports = { $components }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_hashed"
gc = { mode = "generational" }
modules_enabled = { "roster", "saslauth", "disco", "ping", "version", "carbons", "pep" }
modules_disabled = { "s2s", "tls", "offline" }
VirtualHost "$theirs"
Component "rooms.$theirs" "muc"
    muc_room_locking = ${rooms_begin_locked:-true}
Component "$ours"
    component_secret = "$1"
Component "rooms.$ours"
    component_secret = "secret"
END
}

# Without Erlang's distribution: no name to register, no daemon left behind.
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
    'ejabberd_auth:try_register(<<"carol">>, <<"$theirs">>, <<"carol">>), io:format("$peer_ready~n").'
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
