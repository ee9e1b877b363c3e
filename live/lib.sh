# Sourced by the scripts beside it: scratch space, processes, installs, results.
# Whatever was started is stopped when the script ends, however it ends.

live=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$live")
scratch=$(mktemp -d)
results=$scratch/results
: >"$results"
pids=()

cleanup() {
    local pid
    for pid in "${pids[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Installs a Debian package unless its command is there already.
need_package() { # need_package COMMAND PACKAGE
    command -v "$1" >/dev/null || install_package "$2"
}

install_package() {
    local policy=/usr/sbin/policy-rc.d made_policy= status=0
    # Installing a server must not start it.
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        made_policy=yes
    fi
    {
        timeout 300 apt-get update -qq &&
            DEBIAN_FRONTEND=noninteractive timeout 300 \
                apt-get install -y -qq --no-install-recommends "$1"
    } >"$scratch/apt.log" 2>&1 </dev/null || status=$?
    if [ -n "$made_policy" ]; then rm -f "$policy"; fi
    if [ "$status" -ne 0 ]; then
        cat "$scratch/apt.log"
        echo "cannot install $1"
    fi
    return "$status"
}

# A virtual environment with the one version of slixmpp that was proven.
need_slixmpp() {
    local venv=$root/target/live/venv
    python=$venv/bin/python3
    "$python" -c 'import slixmpp' 2>/dev/null && return
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")"
    if ! python3 -m venv "$venv" >"$scratch/venv.log" 2>&1; then
        install_package python3-venv
        rm -rf "$venv"
        python3 -m venv "$venv"
    fi
    timeout 300 "$venv/bin/pip" install --quiet slixmpp==1.17.0 </dev/null
}

# A folder of node modules with the one version of @xmpp/client, and of the component
# of the same family, that was proven.
need_xmppjs() {
    export XMPPJS=$root/target/live/npm
    need_package node nodejs
    need_package npm npm
    [ -d "$XMPPJS/node_modules/@xmpp/component" ] && return
    rm -rf "$XMPPJS"
    mkdir -p "$XMPPJS"
    echo '{"private": true}' >"$XMPPJS/package.json"
    timeout 300 npm install --prefix "$XMPPJS" --silent --no-audit --no-fund --ignore-scripts \
        @xmpp/client@0.14.0 @xmpp/component@0.13.1 </dev/null
}

# Converse.js, and Debian's Chromium with what drives it.
need_converse() {
    export CONVERSE=$root/target/live/converse CHROMIUM
    need_xmppjs
    need_package chromium chromium
    CHROMIUM=$(command -v chromium)
    [ -d "$CONVERSE/node_modules/converse.js/dist" ] && return
    rm -rf "$CONVERSE"
    mkdir -p "$CONVERSE"
    echo '{"private": true}' >"$CONVERSE/package.json"
    timeout 300 npm install --prefix "$CONVERSE" --silent --no-audit --no-fund --ignore-scripts \
        converse.js@14.0.0 puppeteer-core@24.43.1 </dev/null
}

# Builds an example and tells where it is: need_example server sets $server.
# LIVE_PROFILE=dev takes the build that tests use.
need_example() { # need_example NAME
    local profile=${LIVE_PROFILE:-release}
    cargo build --profile "$profile" --example "$1" --manifest-path "$root/Cargo.toml"
    printf -v "$1" '%s/%s/examples/%s' "$(target_directory)" "${profile/#dev/debug}" "$1"
}

target_directory() {
    cargo metadata --format-version 1 --no-deps --manifest-path "$root/Cargo.toml" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])'
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# What every configuration of Prosody here says: a folder of its own, loopback alone,
# no other servers. The rest stands below it.
prosody_base() { # prosody_base FOLDER PORT [COMPONENT-PORT]
    cat <<END
pidfile = "$1/prosody.pid"
data_path = "$1"
run_as_root = true
interfaces = { "127.0.0.1" }
c2s_ports = { $2 }
c2s_direct_tls_ports = {}
s2s_ports = {}
component_ports = { ${3:-} }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_hashed"
modules_disabled = { "s2s", "tls", "offline" }
END
}

# Starts Prosody with these accounts, each its own password, and what the input adds to
# its configuration. Sets $prosody_log.
start_prosody() { # start_prosody NAME PORT COMPONENT-PORT ACCOUNT… <<END
    local name=$1 port=$2 dir account
    dir=$(mktemp -d "$scratch/prosody.XXXX")
    prosody_log=$dir/prosody.log
    {
        prosody_base "$dir" "$port" "$3"
        echo "log = { info = \"$prosody_log\" }"
        cat
    } >"$dir/prosody.cfg.lua"
    shift 3
    for account in "$@"; do
        prosodyctl --config "$dir/prosody.cfg.lua" register "$account" localhost "$account" \
            >/dev/null 2>&1
    done
    start_server "$name" "$port" prosody -F --config "$dir/prosody.cfg.lua"
}

# What Prosody's configuration says of components that share the secret `secret`.
prosody_components() { # prosody_components DOMAIN…
    printf 'Component "%s"\n    component_secret = "secret"\n' "$@"
}

# Waits until the Prosody started last has let that many components in.
await_components() { # await_components COUNT
    local tries
    for tries in $(seq 300); do
        if [ "$(grep -c 'component successfully authenticated' "$prosody_log")" -ge "$1" ]; then
            return
        fi
        sleep 0.1
    done
    record "FAIL prosody: fewer than $1 components have been let in"
    cat "$prosody_log"
    return 1
}

# Starts the example `rooms` as rooms.localhost, a component of the Prosody started last.
start_rooms() { # start_rooms NAME COMPONENT-PORT
    spawn "$1" "$rooms" --domain rooms.localhost --uplink "component://secret@127.0.0.1:$2"
    await_components 1
}

# Starts a command in the background. Sets $server_pid and $server_log.
spawn() { # spawn NAME COMMAND…
    server_log=$scratch/$1.log
    "${@:2}" >"$server_log" 2>&1 </dev/null &
    server_pid=$!
    pids+=("$server_pid")
}

# Starts a server in the background and waits until its port accepts.
start_server() { # start_server NAME PORT COMMAND…
    local name=$1 port=$2 tries
    shift 2
    spawn "$name" "$@"
    for tries in $(seq 300); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return; fi
        if ! kill -0 "$server_pid" 2>/dev/null; then break; fi
        sleep 0.1
    done
    echo "FAIL $name: does not accept connections on port $port" | tee -a "$results"
    cat "$server_log"
    return 1
}

# Sends SIGTERM; the server must end by itself, in time, with status 0.
stop_server() { # stop_server NAME
    local status=0 tries
    kill -TERM "$server_pid" 2>/dev/null || true
    for tries in $(seq 100); do
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.1
    done
    if kill -0 "$server_pid" 2>/dev/null; then
        record "FAIL $1: still runs 10 s after SIGTERM"
        return
    fi
    wait "$server_pid" || status=$?
    if [ "$status" -eq 0 ]; then
        record "ok   $1: ends with status 0 after SIGTERM"
    else
        record "FAIL $1: ends with status $status after SIGTERM"
        tail -n 30 "$server_log"
    fi
}

# A server that panicked, or complained of itself, did so in its log.
no_complaints() { # no_complaints NAME
    if grep -nE 'panicked| ERROR ' "$server_log"; then
        record "FAIL $1: its log tells of panics or errors"
    else
        record "ok   $1: its log tells of no panic and no error"
    fi
}

record() { echo "$1" | tee -a "$results"; }

# Runs one script of checks within a limit of seconds and keeps its results.
# A script that ends badly without naming a failed check counts as one itself.
judge() { # judge SECONDS NAME COMMAND…
    local limit=$1 name=$2 status=0 log=$scratch/judge.log
    shift 2
    timeout --kill-after=10 "$limit" "$@" 2>&1 </dev/null | tee "$log" || status=$?
    grep -E '^(ok  |FAIL|skip) ' "$log" >>"$results" || true
    if [ "$status" -ne 0 ] && ! grep -q '^FAIL ' "$log"; then
        record "FAIL $name: the script ended with status $status (124: after $limit s)"
    elif [ "$status" -eq 0 ] && [[ " $* " != *" --only "* ]] && ! grep -q '^ok ' "$log"; then
        record "FAIL $name: the script checked nothing"
    fi
}

# All checks that any server at a host and port can be asked; see check.py for
# the options.
run_checks() {
    # First: of a history it fetches the oldest page alone, and the others talk much.
    judge 300 profanity "$python" "$live/profanity.py" "$@"
    judge 300 chat "$python" "$live/slixmpp_chat.py" "$@"
    judge 300 rooms "$python" "$live/slixmpp_room.py" "$@"
    judge 300 archive "$python" "$live/slixmpp_archive.py" "$@"
    judge 120 login "$python" "$live/raw_login.py" "$@"
    judge 300 'bad input' "$python" "$live/raw_stream.py" "$@"
    judge 120 xmpp.js node "$live/xmppjs.mjs" "$@"
}

# Converse over WebSocket, beside clients over TCP, at a fresh server: what it
# shows includes what it finds.
judge_in_browser() {
    local port websocket
    port=$(free_port)
    websocket=$(free_port)
    start_server 'server of a browser' "$port" "$server" --listen "127.0.0.1:$port" \
        --websocket "127.0.0.1:$websocket" --domain localhost --log warn
    judge 120 Converse node "$live/converse.mjs" --port "$port" \
        --websocket "ws://127.0.0.1:$websocket/xmpp-websocket" \
        --screenshot "$root/target/live/converse.png" "$@"
    stop_server 'server of a browser'
    no_complaints 'server of a browser'
}

# The last line, in the form that CI counts; fails if anything failed.
summary() {
    local passed failed skipped
    passed=$(grep -c '^ok ' "$results" || true)
    failed=$(grep -c '^FAIL ' "$results" || true)
    skipped=$(grep -c '^skip ' "$results" || true)
    if [ "$failed" -gt 0 ]; then
        echo "failed:"
        grep '^FAIL ' "$results"
    fi
    if [ "$skipped" -gt 0 ]; then
        echo "$passed passed, $failed failed, $skipped skipped"
    else
        echo "$passed passed, $failed failed"
    fi
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
